/* Canaries: builds with exactly one safety rule removed, which the simulated world must catch.
 *
 * CANARY(NAME) stands where a rule is kept. In the product it is the constant false, and the
 * compiler leaves nothing of it; there is no switch at run time. A build with -DOPENKKT_CANARY=N
 * has it true for the one name with the number N. tests/world/canaries makes these builds, one
 * after the other, and fails when the world finds no broken promise in one of them: a proof that
 * cannot fail proves nothing.
 *
 * Always true: a canary removes a rule and adds none; a new rule that keeps a promise of SAFETY.md
 * gets its canary here.
 */
#ifndef PROTO_CANARY_H
#define PROTO_CANARY_H

#ifndef OPENKKT_CANARY
#define OPENKKT_CANARY 0
#endif

/* Numbered from 1 without a gap: tests/world/canaries reads names and numbers from these lines. */
enum {
    /* The board does not look a job's key up: what was done is done again. */
    CANARY_NO_KEY_RECORD = 1,
    /* The board answers before the result is in its journal. */
    CANARY_ANSWER_BEFORE_DONE = 2,
    /* The board begins a document without saying so in its journal. */
    CANARY_NO_INTENT = 3,
    /* The board calls a document confirmed although the FN refused the operator's answer. */
    CANARY_ACK_NOT_VERIFIED = 4,
    /* The driver's queue does not wait for the disk. */
    CANARY_SQLITE_SYNC_OFF = 5,
    /* A slip begins to come out before the journal says so. */
    CANARY_PRINT_BEFORE_DURABLE = 6,
    /* After a cut the open INTENT is dropped without asking the FN's archive. */
    CANARY_INTENT_NOT_SETTLED = 7,
    /* A refusal names the job's key although the journal is dead: it would prove that the job was
     * never done. */
    CANARY_DEAD_JOURNAL_PROVES = 8,
    /* After a cut the drawer is pulsed again. */
    CANARY_DRAWER_REPEATED = 9,
    /* After silence ENQ's answer is taken for the answer to the command that may be lost. */
    CANARY_ENQ_TRUSTED = 10,
    /* The emulated FN takes a confirmation whose sign is wrong. */
    CANARY_SIGN_NOT_CHECKED = 11,
    /* A torn record's remains stay in the journal, and the next record is written over them. */
    CANARY_TAIL_NOT_MENDED = 12,
};
#define CANARY(name) (OPENKKT_CANARY == CANARY_##name)

#endif

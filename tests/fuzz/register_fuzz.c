/* The whole register, its module and its print head on a virtual clock, and a day that goes wrong:
 * jobs of every kind with bodies bent by the input, answers of the module damaged on their way,
 * lost or delayed, power cuts inside any flash operation and inside the recovery from them, paper,
 * cover, cable and clock. Input: a choice of the board's past, then steps of four bytes (enum
 * what).
 *
 * The host keeps its side of the contract: a key whose outcome is not known is sent again with the
 * same content. Then, whatever happened: the journal mounts at every start, every answer parses, a
 * key done is answered the same for ever and refuses other content, no drawer pulse without a job;
 * and when the faults are over each key gets its answer, and each document in the module's archive
 * belongs to exactly one key. One step makes the module lie under a right checksum; after it only
 * survival, parsing and mounting are promised. */
#include "tests/fuzz/register_world.h"

#define STEP_SIZE 4u
#define STEPS_MAX 200u
#define KEYS      8u
#define EDITS_MAX 8u

enum what {
    STEP_JOB,       /* code, key, variant */
    STEP_EDIT,      /* kind, place, value: bends the next new body */
    STEP_AGAIN,     /* key */
    STEP_QUERY,     /* code, argument */
    STEP_CUT,       /* flash operations until then, shape */
    STEP_POWER,     /* off and on */
    STEP_FAULT,     /* enum fnm_fault, argument */
    STEP_DAMAGE,    /* answer bytes until then, xor */
    STEP_LOSE,      /* command, how many of it come through before */
    STEP_LIE,       /* answers until then, byte, xor; the checksum is mended */
    STEP_PRINTER,   /* what, argument */
    STEP_WAIT,      /* tenths of a second */
    STEP_SLEEP,     /* hours */
    STEP_CLOCK,     /* seconds, signed, 16 bits */
    STEP_NOISE,     /* bytes from the host, their value */
    STEP_REPLUG,    /* the cable */
    STEP_IMPATIENT, /* code, key: a job sent and not waited for */
    STEP_NET,       /* trouble, bytes until the connection breaks, bytes of one move */
    STEP_SWAP,      /* another module in the place of this one */
    STEP_COUNT
};

/* What the host knows about a key. */
struct job_record {
    bool pending; /* sent, outcome not known */
    bool done;
    uint8_t code;
    uint8_t body[2048];
    size_t size;
    struct link_result result;
};

static struct job_record records[KEYS];
static struct edit edits[EDITS_MAX];
static unsigned edit_count;
static unsigned issued; /* jobs that may have moved the drawer */
#ifdef FUZZ_CANARY
/* After the cable came back a few times no key is found any more. */
int __real_journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                        struct journal_record *record, uint8_t *payload, size_t capacity);
int __wrap_journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                        struct journal_record *record, uint8_t *payload, size_t capacity);
int __wrap_journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                        struct journal_record *record, uint8_t *payload, size_t capacity)
{
    int found = __real_journal_find(journal, key, type_mask, record, payload, capacity);
    return found == 1 && world.generation > 3 ? 0 : found;
}
#endif

/* ---- The host ---- */

/* True: *refusal and the rest of the answer are there. */
static bool wait_answer(struct refusal *refusal, const uint8_t **rest, size_t *rest_size)
{
    mono_ms until = world.mono + 40000;
    for (unsigned turns = 0; world.mono < until; turns++) {
        PROMISE(turns < 100000);
        turn();
        if (!world_receive(&world))
            continue;
        PROMISE(link_answer_get(world.message, world.assembler.length, refusal, rest, rest_size));
        PROMISE(refusal->code == ERROR_NONE ||
                error_info_find(refusal->code)->code == refusal->code);
        return true;
    }
    return false;
}

static void check_document(const struct job_record *record, const struct link_result *result)
{
    struct fnm_document document;
    bool fiscal = record->code >= LINK_RECEIPT && record->code <= LINK_STATE_REPORT;
    if (!fiscal || tainted)
        return;
    PROMISE(fnm_document_get(world.fnm, result->document, &document));
    PROMISE(document.sign == result->fiscal_sign);
    if (record->code == LINK_RECEIPT)
        PROMISE(document.form == FORM_RECEIPT && document.total_kop == result->total_kop &&
                document.receipt == result->receipt);
}

static void take_result(struct job_record *record, const uint8_t *key, const uint8_t *rest,
                        size_t rest_size)
{
    struct link_result result;
    PROMISE(link_result_get(rest, rest_size, &result));
    PROMISE(memcmp(result.key, key, KEY_SIZE) == 0 && result.job == record->code);
    if (record->done && !tainted)
        PROMISE(result.document == record->result.document &&
                result.fiscal_sign == record->result.fiscal_sign &&
                result.time == record->result.time && result.total_kop == record->result.total_kop);
    if (!record->done)
        check_document(record, &result);
    record->result = result;
    record->done = true;
    record->pending = false;
}

static size_t frame_job(const struct job_record *record, unsigned number, uint8_t key[KEY_SIZE],
                        uint8_t *message, size_t capacity)
{
    struct byte_writer writer;
    struct link_job job = {
        .device_tag = link_device_tag(WORLD_SERIAL), .body = record->body, .size = record->size};
    memset(job.key, 0x40 + (int)number, KEY_SIZE);
    memcpy(key, job.key, KEY_SIZE);
    byte_writer_init(&writer, message, capacity);
    link_job_put(&writer, &job);
    return writer.length;
}

/* Sends the key's content and hears what becomes of it. True: it is settled. */
static bool submit(unsigned number)
{
    static uint8_t message[4096];
    struct job_record *record = &records[number];
    uint8_t key[KEY_SIZE];
    struct refusal refusal;
    const uint8_t *rest;
    size_t rest_size;
    size_t size = frame_job(record, number, key, message, sizeof message);
    if (!record->pending && !record->done)
        issued++;
    record->pending = !record->done;
    world_send(&world, record->code, message, size);
    if (!wait_answer(&refusal, &rest, &rest_size))
        return false;
    if (refusal.code == ERROR_NONE) {
        take_result(record, key, rest, rest_size);
        return true;
    }
    /* BUSY, IN_PROGRESS and OUTCOME_UNKNOWN leave the job where it is. A key that is done may be
     * refused only because the journal cannot be asked. */
    if (refusal.code >= ERROR_OUTCOME_UNKNOWN)
        return false;
    PROMISE(refusal.code != ERROR_INTERNAL);
    PROMISE(!record->done || tainted);
    record->pending = false;
    return true;
}

/* Other content under a key that is done. */
static void contradict(unsigned number)
{
    static uint8_t message[4096];
    uint8_t key[KEY_SIZE];
    struct refusal refusal;
    const uint8_t *rest;
    size_t rest_size;
    size_t size = frame_job(&records[number], number, key, message, sizeof message - 8);
    tlv_put_u8(&(struct byte_writer){message, sizeof message, size}, TAG_ELECTRONICALLY, 1);
    world_send(&world, records[number].code, message, size + 5);
    if (wait_answer(&refusal, &rest, &rest_size) && !tainted)
        PROMISE(refusal.code == ERROR_KEY_CONFLICT || refusal.code == ERROR_BUSY);
}

static void new_job(unsigned number, uint8_t code, uint8_t variant)
{
    struct job_record *record = &records[number];
    memset(record, 0, sizeof *record);
    record->code = code;
    record->size =
        plain_body(code, variant, world_calendar(&world), record->body, sizeof record->body);
    for (unsigned i = 0; i < edit_count; i++)
        record->size = bend_body(&edits[i], record->body, record->size, sizeof record->body);
    edit_count = 0;
}

static void query(uint8_t code, uint8_t argument)
{
    uint8_t message[KEY_SIZE];
    size_t size = 0;
    struct refusal refusal;
    const uint8_t *rest;
    size_t rest_size;
    struct byte_writer writer;
    byte_writer_init(&writer, message, sizeof message);
    if (code == LINK_RESULT && argument != 0) {
        memset(message, 0x40 + argument % KEYS, KEY_SIZE);
        size = argument % 16 == 1 ? 3 : KEY_SIZE;
    } else if (code == LINK_DOCUMENT) {
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, argument);
        size = writer.length;
    }
    world_send(&world, code, message, size);
    if (!wait_answer(&refusal, &rest, &rest_size) || refusal.code != ERROR_NONE)
        return;
    if (code != LINK_RESULT)
        PROMISE(tlv_valid(rest, rest_size));
    else
        PROMISE(rest_size == LINK_RESULT_SIZE);
}

/* ---- Steps ---- */

static void printer_step_of(const uint8_t *step)
{
    switch (step[1] % 6) {
    case 0:
        print_head_set_paper(world.head, (enum print_head_paper)(step[2] % 3));
        break;
    case 1:
        print_head_set_cover(world.head, step[2] % 2 == 1);
        break;
    case 2:
        print_head_set_fault(world.head, step[2] % 2 == 1);
        break;
    case 3:
        print_head_set_power(world.head, step[2] % 2 == 1);
        break;
    case 4:
        print_head_set_paper_out_after(world.head, step[2]);
        break;
    default:
        print_head_set_mute(world.head, step[2] % 2 == 1);
    }
}

static void module_step_of(const uint8_t *step)
{
    static const uint8_t lost[] = {
        FN_STATUS,       FN_CANCEL,          FN_RECEIPT_BEGIN,    FN_DATA,
        FN_RECEIPT_FORM, FN_SHIFT_OPEN_FORM, FN_SHIFT_CLOSE_FORM, FN_FIND_DOCUMENT};
    uint32_t argument = step[2];
    enum fnm_fault fault = (enum fnm_fault)(step[1] % (FNM_FAULT_STORE_ERROR + 1));
    switch (step[0]) {
    case STEP_FAULT:
        if (fault == FNM_FAULT_ANSWER_CODE && (argument & 0x7F) == FN_OK)
            argument = FN_BAD_STATE; /* saying done without doing is STEP_LIE's business */
        fnm_fault(world.fnm, fault, fault == FNM_FAULT_DELAY ? argument * 20 : argument);
        break;
    case STEP_DAMAGE:
        damage_after = 1u + step[1];
        damage_with = step[2] == 0 ? 1 : step[2];
        break;
    case STEP_LOSE:
        world.lose_command = lost[step[1] % sizeof lost];
        world.lose_after = step[2] % 4;
        break;
    default:
        lie_after = 1u + step[1] % 32;
        lie_at = step[2];
        lie_with = step[3] == 0 ? 1 : step[3];
    }
}

static void job_step_of(const uint8_t *step)
{
    unsigned number = step[2] % KEYS;
    struct job_record *record = &records[number];
    uint8_t code = (uint8_t)(LINK_JOB_FIRST + step[1] % (LINK_JOB_LAST - LINK_JOB_FIRST + 1));
    if (step[0] == STEP_AGAIN || record->pending || record->done) {
        if (record->done && step[3] % 4 == 3)
            contradict(number);
        else if (record->code != 0)
            (void)submit(number);
        return;
    }
    new_job(number, code, step[3]);
    if (step[0] == STEP_JOB) {
        (void)submit(number);
        return;
    }
    static uint8_t message[4096];
    uint8_t key[KEY_SIZE];
    record->pending = true;
    issued++;
    world_send(&world, code, message, frame_job(record, number, key, message, sizeof message));
    run(step[3] % 4 * 50u);
}

static void noise(uint8_t count, uint8_t value)
{
    size_t room = WORLD_WIRE - world.to_board_size;
    size_t size = count < room ? count : room;
    memset(world.to_board + world.to_board_size, value, size);
    world.to_board_size += size;
}

static void do_step(const uint8_t *step)
{
    switch (step[0]) {
    case STEP_JOB:
    case STEP_AGAIN:
    case STEP_IMPATIENT:
        job_step_of(step);
        break;
    case STEP_EDIT:
        if (edit_count < EDITS_MAX)
            edits[edit_count++] = (struct edit){step[1], step[2], step[3]};
        break;
    case STEP_QUERY:
        query((uint8_t)(step[1] % 9), step[2]);
        break;
    case STEP_CUT:
        if (cut_count < CUTS_MAX) {
            cuts[cut_count].after = step[1] % 64;
            cuts[cut_count++].shape = step[2];
        }
        if (world.cut_at == 0)
            arm_next_cut();
        break;
    case STEP_POWER:
        start();
        break;
    case STEP_PRINTER:
        printer_step_of(step);
        break;
    case STEP_WAIT:
        run(step[1] * 100u);
        break;
    case STEP_SLEEP:
        world.mono += (mono_ms)step[1] % 32 * 3600000u;
        break;
    case STEP_CLOCK:
        world.clock_offset += (int16_t)get_u16le(step + 1);
        break;
    case STEP_NOISE:
        noise(step[1], step[2]);
        run(100);
        break;
    case STEP_REPLUG:
        world_replug(&world);
        break;
    case STEP_NET:
        line_trouble(step[1], step[2] * 4u, step[3]);
        if (!line.up)
            line_break();
        break;
    case STEP_SWAP:
        line.lying = tainted = true;
        fnm_close(world.fnm);
        lay_store(&pasts[step[1] % PASTS]);
        break;
    case STEP_FAULT:
    case STEP_DAMAGE:
    case STEP_LOSE:
    case STEP_LIE:
        module_step_of(step);
        break;
    default:
        break;
    }
}

/* ---- The end ---- */

static void heal(void)
{
    cut_count = 0;
    world.cut_at = 0;
    world.lose_command = 0;
    damage_after = lie_after = 0;
    line_heal();
    fnm_close(world.fnm);
    world_open_fn(&world);
    print_head_close(world.head);
    struct print_head_options head = {.columns = 48};
    world.head = print_head_open(&head);
    PROMISE(world.head != NULL);
    start();
}

/* Every document after the past is some key's, and no two keys share one. */
static void check_archive(const struct past *past)
{
    unsigned claimed[4] = {0}, found[4] = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        const struct job_record *record = &records[i];
        if (record->done && record->code == LINK_RECEIPT)
            claimed[0]++;
        if (record->done && record->code == LINK_SHIFT_CLOSE)
            claimed[1]++;
        if (record->done && record->code == LINK_STATE_REPORT)
            claimed[2]++;
        if (record->done && record->code == LINK_REGISTRATION)
            claimed[3]++;
        for (unsigned other = 0; record->done && record->result.document != 0 && other < i; other++)
            PROMISE(!records[other].done || record->code == LINK_COPY ||
                    records[other].code == LINK_COPY ||
                    records[other].result.document != record->result.document);
    }
    for (uint32_t number = past->documents + 1; number <= fnm_document_count(world.fnm); number++) {
        struct fnm_document document;
        PROMISE(fnm_document_get(world.fnm, number, &document));
        found[0] += document.form == FORM_RECEIPT;
        found[1] += document.form == FORM_SHIFT_CLOSE;
        found[2] += document.form == FORM_STATE_REPORT;
        found[3] += document.form == FORM_REGISTRATION;
    }
    PROMISE(memcmp(claimed, found, sizeof found) == 0);
}

static void settle(const struct past *past)
{
    heal();
    if (tainted)
        return;
    for (unsigned i = 0; i < KEYS; i++) {
        bool settled = records[i].code == 0;
        for (unsigned attempt = 0; attempt < 50 && !settled; attempt++) {
            settled = submit(i) && !records[i].pending;
            if (!settled)
                run(500);
        }
        PROMISE(settled);
    }
    check_archive(past);
    PROMISE(world.pulses <= issued);
    uint64_t cash = world_status(&world, TAG_CASH_IN_DRAWER);
    start();
    PROMISE(world_status(&world, TAG_CASH_IN_DRAWER) == cash);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    return mutate_steps(data, size, capacity, 1, STEP_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile size_t at;
    static uint8_t step[STEP_SIZE];
    char path[96];
    if (size == 0)
        return 0;
    if (!pasts_made)
        make_pasts();
    pasts_made = true;
    const struct past *past = &pasts[data[0] % PASTS];
    lay_past(past);
    memset(records, 0, sizeof records);
    edit_count = issued = 0;
    start();
    for (at = 1; at + STEP_SIZE <= size && at < STEPS_MAX * STEP_SIZE; at += STEP_SIZE) {
        memcpy(step, data + at, STEP_SIZE);
        step[0] %= STEP_COUNT;
        if (setjmp(world.cut) == 0)
            do_step(step);
        else
            power();
    }
    settle(past);
    fnm_close(world.fnm);
    print_head_close(world.head);
    store_path(path, sizeof path);
    unlink(path);
    (void)rmdir(world.folder);
    return 0;
}

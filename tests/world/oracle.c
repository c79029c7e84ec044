#include "tests/world/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/error.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"

void oracle_init(struct oracle *oracle)
{
    memset(oracle, 0, sizeof *oracle);
}

void oracle_free(struct oracle *oracle)
{
    free(oracle->jobs);
    free(oracle->claims);
    memset(oracle, 0, sizeof *oracle);
}

static void *grown(void *array, uint32_t *capacity, uint32_t wanted, size_t size)
{
    uint32_t old = *capacity;
    if (wanted <= old)
        return array;
    uint32_t fresh = old == 0 ? 64 : old;
    while (fresh < wanted)
        fresh *= 2;
    array = realloc(array, fresh * size);
    CHECK(array != NULL, "harness: out of memory");
    memset((uint8_t *)array + old * size, 0, (fresh - old) * size);
    *capacity = fresh;
    return array;
}

void oracle_copy(struct oracle *to, const struct oracle *from)
{
    struct oracle old = *to;
    old.jobs = grown(old.jobs, &old.capacity, from->capacity, sizeof *old.jobs);
    old.claims = grown(old.claims, &old.claims_capacity, from->claims_capacity, sizeof *old.claims);
    *to = *from;
    to->jobs = old.jobs;
    to->capacity = old.capacity;
    to->claims = old.claims;
    to->claims_capacity = old.claims_capacity;
    if (from->count > 0)
        memcpy(to->jobs, from->jobs, from->count * sizeof *to->jobs);
    if (to->claims_capacity > 0)
        memset(to->claims, 0, to->claims_capacity * sizeof *to->claims);
    if (from->claims_capacity > 0)
        memcpy(to->claims, from->claims, from->claims_capacity * sizeof *to->claims);
}

/* ---- Jobs ---- */

uint32_t oracle_ask(struct oracle *oracle, const struct job *job, enum job_flavour flavour,
                    unix_s time)
{
    uint32_t index = oracle->count;
    oracle->jobs = grown(oracle->jobs, &oracle->capacity, index + 1, sizeof *oracle->jobs);
    struct oracle_job *asked = &oracle->jobs[index];
    memset(asked, 0, sizeof *asked);
    asked->seed = job->seed;
    asked->flavour = flavour;
    asked->time = time;
    asked->code = job->code;
    asked->form = job->form;
    asked->kind = job->kind;
    asked->items = (uint16_t)job->items;
    asked->total_kop = job->total_kop;
    memcpy(asked->paid_kop, job->paid_kop, sizeof asked->paid_kop);
    asked->cash_kop = job->cash_kop;
    asked->drawer = job->drawer;
    asked->paper = job->paper;
    memcpy(asked->key, job->key, KEY_SIZE);
    oracle->count++;
    oracle->unresolved++;
    oracle->accounts.attempted++;
    return index;
}

void oracle_job_again(const struct oracle *oracle, uint32_t index, struct job *job)
{
    const struct oracle_job *asked = &oracle->jobs[index];
    job_make(job, asked->code, asked->flavour, asked->seed, asked->time);
}

void oracle_asked_again(struct oracle *oracle, uint32_t index)
{
    struct oracle_job *job = &oracle->jobs[index];
    if (job->state != ORACLE_REFUSED)
        return;
    job->state = ORACLE_ASKED;
    oracle->unresolved++;
    oracle->accounts.refused--;
    if (index < oracle->resolved)
        oracle->resolved = index;
}

/* ---- Answers ---- */

static void claim(struct oracle *oracle, uint32_t index, uint32_t document)
{
    oracle->claims =
        grown(oracle->claims, &oracle->claims_capacity, document + 1, sizeof *oracle->claims);
    uint32_t other = oracle->claims[document];
    figure_add(FIGURE_RECEIPTS_DOUBLED, other != 0);
    CHECK(other == 0, "I2: document %" PRIu32 " was given to two jobs, %" PRIu32 " and %" PRIu32,
          document, other - 1, index);
    oracle->claims[document] = index + 1;
}

static void done(struct oracle *oracle, uint32_t index, const struct link_result *result)
{
    struct oracle_job *job = &oracle->jobs[index];
    CHECK(result->job == job->code, "I2: job %" PRIu32 " was answered as another kind", index);
    CHECK(memcmp(result->key, job->key, KEY_SIZE) == 0, "I2: an answer with another key");
    if (job->state == ORACLE_DONE) {
        const struct link_result *first = &job->result;
        CHECK(first->document == result->document && first->fiscal_sign == result->fiscal_sign &&
                  first->time == result->time && first->shift == result->shift &&
                  first->receipt == result->receipt && first->total_kop == result->total_kop,
              "I1: job %" PRIu32 " (%s) was answered again with another result: document %" PRIu32
              " then %" PRIu32,
              index, job_name(job->code), first->document, result->document);
        return;
    }
    if (job->state == ORACLE_ASKED)
        oracle->unresolved--;
    job->state = ORACLE_DONE;
    job->result = *result;
    oracle->cash_kop += job->cash_kop;
    oracle->drawer_jobs += job->drawer;
    oracle->copies += job->code == LINK_COPY;
    oracle->accounts.done++;
    oracle->accounts.receipts += job->form == FORM_RECEIPT;
    oracle->accounts.unknown_resolved += job->unknown;
    if (job->form != 0) {
        CHECK(result->document != 0, "I1: job %" PRIu32 " is done without a document", index);
        claim(oracle, index, result->document);
    }
}

void oracle_answered(struct oracle *oracle, uint32_t index, uint16_t code,
                     const struct link_result *result)
{
    struct oracle_job *job = &oracle->jobs[index];
    if (check_verbose)
        fprintf(stderr, "  job %" PRIu32 " (%s, %" PRIu64 " kopecks): %s, document %" PRIu32 "\n",
                index, job_name(job->code), job->total_kop, error_info_find(code)->name,
                code == ERROR_NONE ? result->document : 0);
    if (code == ERROR_NONE) {
        done(oracle, index, result);
        return;
    }
    const struct error_info *info = error_info_find(code);
    bool about_the_link = info->group == ERROR_GROUP_NETWORK && code != ERROR_OFD_OVERDUE;
    if (info->group == ERROR_GROUP_UNKNOWN || about_the_link) {
        job->unknown = true;
        return;
    }
    CHECK(job->state != ORACLE_DONE, "I1: job %" PRIu32 " was done, and is refused now: %s", index,
          info->name);
    if (job->state == ORACLE_ASKED) {
        oracle->unresolved--;
        oracle->accounts.refused++;
        oracle->accounts.unknown_resolved += job->unknown;
    }
    job->state = ORACLE_REFUSED;
    job->refusal = code;
}

void oracle_left_without_answer(struct oracle *oracle, uint32_t index)
{
    oracle->jobs[index].unknown = true;
}

/* ---- The archive ---- */

static bool is_claimed(const struct oracle *oracle, uint32_t number)
{
    return number < oracle->claims_capacity && oracle->claims[number] != 0;
}

static bool alike(const struct fnm_document *one, const struct fnm_document *other)
{
    return one->form == other->form && one->kind == other->kind &&
           one->total_kop == other->total_kop;
}

/* A job whose answer is out and that could have made this document; each made one at most. */
static bool could_be_asked(const struct oracle *oracle, const struct sim *sim, uint32_t number,
                           const struct fnm_document *document)
{
    uint32_t skip = 0;
    for (uint32_t i = oracle->checked + 1; i < number; i++) {
        struct fnm_document earlier;
        skip += !is_claimed(oracle, i) && fnm_document_get(sim->fn.fnm, i, &earlier) &&
                alike(&earlier, document);
    }
    for (uint32_t i = oracle->resolved; i < oracle->count; i++) {
        const struct oracle_job *job = &oracle->jobs[i];
        if (job->state != ORACLE_ASKED || job->form != document->form)
            continue;
        if (job->form == FORM_RECEIPT &&
            (job->kind != document->kind || job->total_kop != document->total_kop))
            continue;
        if (skip == 0)
            return true;
        skip--;
    }
    return oracle->auto_open && document->form == FORM_SHIFT_OPEN;
}

/* The document as it was signed has every item that was asked for. */
static void check_items(const struct oracle_job *job, const struct sim *sim, uint32_t number)
{
    static uint8_t stlv[65536];
    size_t size = fnm_document_read(sim->fn.fnm, number, stlv, sizeof stlv);
    CHECK(size > TLV_HEADER_SIZE, "I1: document %" PRIu32 " cannot be read", number);
    struct tlv_reader reader;
    struct tlv tlv;
    unsigned items = 0;
    tlv_reader_init(&reader, stlv + TLV_HEADER_SIZE, size - TLV_HEADER_SIZE);
    while (tlv_next(&reader, &tlv) == 1)
        items += tlv.tag == TAG_ITEM;
    CHECK(items == job->items, "I1: receipt %" PRIu32 " has %u items, asked were %u", number, items,
          job->items);
}

static void check_claim(const struct oracle *oracle, const struct sim *sim, uint32_t number,
                        const struct fnm_document *document)
{
    const struct oracle_job *job = &oracle->jobs[oracle->claims[number] - 1];
    const struct link_result *result = &job->result;
    CHECK(job->form == document->form, "I1: document %" PRIu32 " is of another form", number);
    CHECK(result->fiscal_sign == document->sign,
          "I1: document %" PRIu32 " has another sign than was answered", number);
    CHECK(result->time - result->time % 60 == document->time - document->time % 60,
          "I1: document %" PRIu32 " has another time than was answered", number);
    if (job->form != FORM_RECEIPT)
        return;
    CHECK(job->kind == document->kind && job->total_kop == document->total_kop,
          "I1: document %" PRIu32 " has sum %" PRIu64 ", asked was %" PRIu64, number,
          document->total_kop, job->total_kop);
    CHECK(result->receipt == document->receipt && result->shift == (uint16_t)document->shift &&
              result->total_kop == job->total_kop,
          "I4: receipt %" PRIu32 " of shift %" PRIu32 " was answered as %u of %u",
          document->receipt, document->shift, result->receipt, result->shift);
    check_items(job, sim, number);
}

/* Shift and receipt numbers without a gap, times that never go back; the running totals. */
static void follow(struct oracle *oracle, uint32_t number, const struct fnm_document *document)
{
    CHECK(document->time >= oracle->last_time, "I13: document %" PRIu32 " goes back in time",
          number);
    oracle->last_time = document->time;
    switch (document->form) {
    case FORM_SHIFT_OPEN:
        CHECK(!oracle->shift_open && document->shift == oracle->shift + 1,
              "I4: document %" PRIu32 " opens shift %" PRIu32 " after %" PRIu32, number,
              document->shift, oracle->shift);
        oracle->shift_open = true;
        oracle->shift = document->shift;
        oracle->shift_receipts = 0;
        memset(oracle->kinds, 0, sizeof oracle->kinds);
        break;
    case FORM_SHIFT_CLOSE:
        CHECK(oracle->shift_open && document->shift == oracle->shift,
              "I4: document %" PRIu32 " closes shift %" PRIu32, number, document->shift);
        oracle->shift_open = false;
        break;
    case FORM_RECEIPT: {
        CHECK(oracle->shift_open && document->shift == oracle->shift &&
                  document->receipt == oracle->shift_receipts + 1,
              "I4: document %" PRIu32 " is receipt %" PRIu32 " of shift %" PRIu32, number,
              document->receipt, document->shift);
        oracle->shift_receipts++;
        struct kind_totals *totals = &oracle->kinds[document->kind - 1];
        const struct oracle_job *job = &oracle->jobs[oracle->claims[number] - 1];
        totals->count++;
        totals->sum_kop += document->total_kop;
        for (unsigned i = 0; i < PAYMENT_COUNT; i++)
            totals->paid_kop[i] += job->paid_kop[i];
        break;
    }
    default:
        break;
    }
}

/* Goes over the documents that are not known to be sound yet. */
static void check_archive(struct oracle *oracle, const struct sim *sim)
{
    if (fn_unit_is_dead(&sim->fn))
        return; /* nothing can be read from it before it has power again */
    uint32_t count = fnm_document_count(sim->fn.fnm);
    bool loose = false;
    while (oracle->resolved < oracle->count && oracle->jobs[oracle->resolved].state != ORACLE_ASKED)
        oracle->resolved++;
    for (uint32_t number = oracle->checked + 1; number <= count; number++) {
        struct fnm_document document;
        CHECK(fnm_document_get(sim->fn.fnm, number, &document), "I4: document %" PRIu32 " is gone",
              number);
        bool claimed = is_claimed(oracle, number);
        if (claimed) {
            check_claim(oracle, sim, number, &document);
        } else if (!(oracle->auto_open && document.form == FORM_SHIFT_OPEN)) {
            bool fits = could_be_asked(oracle, sim, number, &document);
            figure_add(FIGURE_RECEIPTS_DOUBLED, !fits);
            CHECK(fits,
                  "I2: document %" PRIu32 " (form %u, %" PRIu64
                  " kopecks) belongs to no job: punched twice",
                  number, document.form, document.total_kop);
            loose = true;
            continue;
        }
        if (!loose) {
            follow(oracle, number, &document);
            oracle->checked = number;
            oracle->accounts.documents++;
        }
    }
}

/* Nothing that was answered is missing. */
static void check_nothing_lost(struct oracle *oracle, const struct sim *sim)
{
    uint32_t count = fnm_document_count(sim->fn.fnm);
    for (uint32_t number = count + 1; number < oracle->claims_capacity; number++) {
        figure_add(FIGURE_RECEIPTS_LOST, oracle->claims[number] != 0);
        CHECK(oracle->claims[number] == 0,
              "I1: document %" PRIu32 " was answered, and the FN does not have it", number);
    }
}

/* ---- The board's own books ---- */

static void check_totals(const struct oracle *oracle, const struct sim *sim)
{
    const struct register_state *state = &sim->firmware.cash_register.state;
    CHECK(state->last_document == oracle->checked,
          "I4: the board's last document is %" PRIu32 ", the FN's %" PRIu32, state->last_document,
          oracle->checked);
    CHECK(state->shift_open == oracle->shift_open && state->shift_number == (uint16_t)oracle->shift,
          "I5: shift %u %s, should be %" PRIu32 " %s", state->shift_number,
          state->shift_open ? "open" : "closed", oracle->shift,
          oracle->shift_open ? "open" : "closed");
    CHECK((int64_t)state->cash_kop == oracle->cash_kop,
          "I5: cash in the drawer %" PRIu64 ", should be %" PRId64, state->cash_kop,
          oracle->cash_kop);
    if (!oracle->shift_open)
        return;
    CHECK(state->receipts == (uint16_t)oracle->shift_receipts,
          "I5: %u receipts in the shift, should be %" PRIu32, state->receipts,
          oracle->shift_receipts);
    for (unsigned i = 0; i < KINDS; i++) {
        const struct kind_totals *is = &state->kinds[i], *should = &oracle->kinds[i];
        CHECK(is->count == should->count && is->sum_kop == should->sum_kop &&
                  memcmp(is->paid_kop, should->paid_kop, sizeof is->paid_kop) == 0,
              "I5: totals of kind %u: %" PRIu32 " receipts, %" PRIu64 " kopecks, should be %" PRIu32
              ", %" PRIu64,
              i + 1, is->count, is->sum_kop, should->count, should->sum_kop);
    }
}

/* So many jobs the ring holds at least, whatever they were: a job writes less than 400 bytes, and
 * two sectors may be erased ahead. */
static uint32_t journal_holds(const struct sim *sim)
{
    const struct journal *journal = &sim->firmware.journal;
    uint32_t ahead = 3 + journal->sectors / 4;
    uint32_t sectors = journal->sectors > ahead ? journal->sectors - ahead : 0;
    return sectors * ((journal->sector_size - 1500) / 400);
}

/* The journal remembers what was answered. */
static void check_journal(const struct oracle *oracle, struct sim *sim)
{
    uint32_t holds = oracle->flash_ails ? 3 : journal_holds(sim);
    uint32_t from = oracle->count > holds ? oracle->count - holds : 0;
    if (oracle->count > 2000 && from < oracle->count - 2000)
        from = oracle->count - 2000;
    for (uint32_t i = from; i < oracle->count; i++) {
        const struct oracle_job *job = &oracle->jobs[i];
        struct job_done stored;
        uint8_t payload[256];
        struct journal_record record;
        if (job->state != ORACLE_DONE)
            continue;
        int found = journal_find(&sim->firmware.journal, job->key, 1u << JOURNAL_DONE, &record,
                                 payload, sizeof payload);
        CHECK(found == 1 && job_done_get(payload, record.size, &stored) &&
                  stored.result.document == job->result.document &&
                  stored.result.fiscal_sign == job->result.fiscal_sign,
              "I1: job %" PRIu32 " (%s) was done and is not in the journal", i,
              job_name(job->code));
    }
}

static void check_operator(const struct sim *sim)
{
    CHECK(operator_broken(sim->op) == NULL, "I7: %s", operator_broken(sim->op));
    uint32_t confirmed = fnm_document_count(sim->fn.fnm) - fnm_unconfirmed_count(sim->fn.fnm);
    uint32_t said = operator_confirmed(sim->op, fnm_serial(sim->fn.fnm));
    CHECK(confirmed <= said,
          "I7: the FN counts %" PRIu32 " documents as confirmed, the operator confirmed %" PRIu32,
          confirmed, said);
    CHECK(sim->confirmed_told <= said,
          "I7: the host was told that document %" PRIu32
          " is confirmed, the operator confirmed %" PRIu32,
          sim->confirmed_told, said);
}

void oracle_check(struct oracle *oracle, struct sim *sim)
{
    check_nothing_lost(oracle, sim);
    check_archive(oracle, sim);
    CHECK(sim->pulses <= oracle->drawer_jobs + oracle->unresolved,
          "I17: %" PRIu32 " pulses of the drawer for %" PRIu32 " jobs that open it", sim->pulses,
          oracle->drawer_jobs);
    if (sim->op != NULL)
        check_operator(sim);
    if (oracle->unresolved == 0 && sim_is_idle(sim) && !oracle->fn_swapped)
        check_totals(oracle, sim);
}

/* ---- The end ---- */

static void check_paper(const struct oracle *oracle, const struct sim *sim)
{
    uint32_t count = fnm_document_count(sim->fn.fnm), copies = 0;
    for (uint32_t number = 1; number <= count; number++) {
        struct paper_document paper = paper_of(&sim->paper, number);
        struct fnm_document document;
        copies += paper.copies;
        if (number < oracle->paper_from || !is_claimed(oracle, number) ||
            !fnm_document_get(sim->fn.fnm, number, &document))
            continue;
        const struct oracle_job *job = &oracle->jobs[oracle->claims[number] - 1];
        unsigned originals = (unsigned)paper.whole + paper.resumed;
        CHECK(!paper.contradicts, "I8: two slips of document %" PRIu32 " disagree", number);
        if (!job->paper) {
            CHECK(originals == 0, "I8: electronic document %" PRIu32 " was printed", number);
            continue;
        }
        CHECK(paper.broken_off == 0 || paper.resumed > 0,
              "I8: a slip of document %" PRIu32 " ends without a sign", number);
        CHECK(originals >= 1, "I8: document %" PRIu32 " was never printed whole", number);
        CHECK(paper.whole <= 1, "I8: document %" PRIu32 " was printed twice without a mark",
              number);
        CHECK(paper.fiscal_sign == document.sign, "I8: the slip of %" PRIu32 " has another sign",
              number);
        CHECK(job->form != FORM_RECEIPT || paper.total_kop == document.total_kop,
              "I8: the slip of %" PRIu32 " says %" PRIu64 " kopecks, not %" PRIu64, number,
              paper.total_kop, document.total_kop);
    }
    CHECK(copies >= oracle->copies, "I8: %" PRIu32 " copies asked, %" PRIu32 " printed",
          oracle->copies, copies);
}

static void check_wear(const struct sim *sim)
{
    uint32_t units = sim->geometry.units, lowest = UINT32_MAX, highest = 0;
    uint32_t per_sector = sim->firmware.journal.units_per_sector;
    uint32_t used = sim->firmware.journal.sectors * per_sector;
    for (uint32_t i = SETTINGS_SECTORS; i < units && i < SETTINGS_SECTORS + used; i++) {
        uint32_t erases = sim->flash.sector_erases[i];
        lowest = erases < lowest ? erases : lowest;
        highest = erases > highest ? erases : highest;
    }
    CHECK(highest - lowest <= 2 + sim->power_cuts,
          "I14: one sector was erased %" PRIu32 " times, another %" PRIu32, highest, lowest);
}

void oracle_check_end(struct oracle *oracle, struct sim *sim, bool with_paper, bool with_operator)
{
    oracle_check(oracle, sim);
    CHECK(oracle->unresolved == 0, "I3: %" PRIu32 " jobs have no outcome", oracle->unresolved);
    CHECK(oracle->checked == fnm_document_count(sim->fn.fnm),
          "I2: the FN has %" PRIu32 " documents, %" PRIu32 " belong to jobs",
          fnm_document_count(sim->fn.fnm), oracle->checked);
    CHECK(sim_is_idle(sim), "I16: the world does not come to rest");
    if (!oracle->fn_swapped)
        check_totals(oracle, sim);
    check_journal(oracle, sim);
    check_wear(sim);
    if (with_paper)
        check_paper(oracle, sim);
    if (with_operator && sim->op != NULL) {
        const char *number = fnm_serial(sim->fn.fnm);
        CHECK(fnm_unconfirmed_count(sim->fn.fnm) == 0, "I7: %" PRIu32 " documents not confirmed",
              fnm_unconfirmed_count(sim->fn.fnm));
        CHECK(operator_documents(sim->op, number) == fnm_document_count(sim->fn.fnm),
              "I7: the operator has %" PRIu32 " documents of %" PRIu32,
              operator_documents(sim->op, number), fnm_document_count(sim->fn.fnm));
    }
}

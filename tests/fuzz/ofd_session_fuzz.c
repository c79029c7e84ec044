/* The operator client and a real module against an operator that says anything: right answers, bent
 * ones (with and without mended checksums), those of another module or of the document before, raw
 * bytes, silence, broken and refused connections. Input: steps of four bytes (enum what); some bend
 * the next answer, the others let time pass and the register work.
 *
 * The operator gets documents in ascending order without a hole and repeats byte for byte
 * (operator_line.h). A document is confirmed only when the operator had it whole and an answer for
 * it was said; CONFIRMED events tell the truth; the cash register gets the module's line within
 * seconds whatever the network does; when the operator is well again the queue drains. */
#include <fcntl.h>

#include "firmware/ofd_client.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/ofd_mend.h"
#include "tests/fuzz/operator_line.h"
#include "tests/unit/fn_rig.h"

#define STEP_SIZE     4u
#define STEPS_MAX     100u
#define DOCUMENTS     4u /* a registration, a shift, a short and a long receipt wait */
#define TEMPLATE_SIZE 16384u
#define START         1790000000u
#define BENDS_MAX     16u

enum what {
    STEP_WAIT,    /* tenths of a second, times ten */
    STEP_NET,     /* trouble, bytes until it breaks, bytes of one move */
    STEP_BREAK,   /* the connection breaks now */
    STEP_SAY,     /* bytes without being asked: count, value */
    STEP_RECEIPT, /* one more document */
    STEP_FAULT,   /* of the module: enum fnm_fault, argument */
    STEP_POWER,   /* of the board: the client and the line forget everything */
    STEP_HOLD,    /* the register works: seconds */
    STEP_RESTART, /* settings changed */
    STEP_BEND,    /* the next answer: enum bend, place, value */
    STEP_SECOND,  /* the same and one more of the kinds */
    STEP_COUNT
};

enum bend {
    BEND_BYTE,    /* as it is */
    BEND_MENDED,  /* in the container; its checksum and the header's are right */
    BEND_FIELD,   /* in the header of the container, checksums right */
    BEND_LENGTH,  /* the header says another size */
    BEND_FLAGS,   /* the header asks for other checksums */
    BEND_STALE,   /* the answer before it first */
    BEND_FOREIGN, /* for another module first */
    BEND_HUGE,    /* more than a module takes first */
    BEND_PING,    /* an empty answer first */
    BEND_CUT,     /* the end is missing */
    BEND_TWICE,
    BEND_SILENCE,
    BEND_KINDS
};

static struct {
    uint8_t kind, place, value;
} bends[BENDS_MAX];
static unsigned bend_count;
static uint8_t templates[TEMPLATE_SIZE];
static bool template_made;
static char path[64];
static struct fnm *fnm;
static struct board board;
static struct fn_client fn;
static struct ofd_client ofd;
static struct ofd_settings settings;
static mono_ms now;
static uint32_t answered; /* answers said so far are for documents up to this one */
static uint32_t confirmed;
static bool fn_may_be_odd; /* the module was made to misbehave */
static uint8_t last_answer[OFD_CONFIRMATION_MAX];
static size_t last_size;
static mono_ms register_wants; /* since when; 0: it does not */

#ifdef FUZZ_CANARY
/* The client does not notice that half a message was taken back. */
bool __wrap_ofd_header_crc_ok(const uint8_t header[OFD_HEADER_SIZE], const uint8_t *body,
                              size_t body_size);
bool __wrap_ofd_header_crc_ok(const uint8_t header[OFD_HEADER_SIZE], const uint8_t *body,
                              size_t body_size)
{
    (void)header;
    (void)body;
    if (body_size > 200)
        ofd.confirmed = ofd.document; /* confirmed before the module was asked */
    return true;
}
#endif

/* ---- The operator's answers ---- */

static size_t put_first(uint8_t *answer, size_t size, size_t capacity, const uint8_t *first,
                        size_t first_size)
{
    if (size + first_size > capacity)
        return size;
    memmove(answer + first_size, answer, size);
    memcpy(answer, first, first_size);
    return size + first_size;
}

static size_t before_it(unsigned kind, uint8_t *answer, size_t size, size_t capacity)
{
    static uint8_t other[LINE_OUT_SIZE];
    struct ofd_header header;
    if (kind == BEND_STALE)
        return put_first(answer, size, capacity, last_answer, last_size);
    if (ofd_header_decode(answer, size, &header) != 1)
        return size;
    memset(other, 0x33, sizeof other);
    if (kind == BEND_FOREIGN) {
        memcpy(other, answer, size);
        header.fn_number[15] ^= 1;
        ofd_header_encode(&header, answer + OFD_HEADER_SIZE, other);
        return put_first(answer, size, capacity, other, size);
    }
    header.flags = kind == BEND_HUGE ? OFD_FLAGS_MESSAGE : 0;
    header.body_size = kind == BEND_HUGE ? 3000 : 0;
    ofd_header_encode(&header, NULL, other);
    return put_first(answer, size, capacity, other, OFD_HEADER_SIZE + header.body_size);
}

static size_t bend_once(unsigned kind, uint8_t place, uint8_t value, uint8_t *answer, size_t size,
                        size_t capacity)
{
    switch (kind) {
    case BEND_BYTE:
        answer[place * 2u % size] ^= value;
        return size;
    case BEND_MENDED:
        answer[OFD_HEADER_SIZE + OFD_CONTAINER_HEADER_SIZE +
               place % (size - OFD_HEADER_SIZE - OFD_CONTAINER_HEADER_SIZE)] ^= value;
        ofd_mend(answer, size);
        return size;
    case BEND_FIELD:
        answer[OFD_HEADER_SIZE + place % OFD_CONTAINER_HEADER_SIZE] ^= value;
        ofd_mend(answer, size);
        return size;
    case BEND_LENGTH:
        answer[24 + place % 2] = value;
        return size;
    case BEND_FLAGS:
        answer[26] ^= (uint8_t)(1u << place % 8);
        answer[28] ^= value;
        return size;
    case BEND_CUT:
        return size * value / 256;
    case BEND_TWICE:
        return put_first(answer, size, capacity, answer, size);
    case BEND_SILENCE:
        return 0;
    default:
        return before_it(kind, answer, size, capacity);
    }
}

static size_t bend(uint8_t *answer, size_t size, size_t capacity)
{
    uint8_t good[OFD_CONFIRMATION_MAX];
    size_t good_size = size;
    PROMISE(size <= sizeof good);
    memcpy(good, answer, size);
    answered = line.received;
    while (bend_count > 0 && size >= good_size) {
        bend_count--;
        size = bend_once(bends[bend_count].kind % BEND_KINDS, bends[bend_count].place,
                         bends[bend_count].value, answer, size, capacity);
        if (bends[bend_count].kind / BEND_KINDS % 2 == 0)
            break;
    }
    memcpy(last_answer, good, good_size);
    last_size = good_size;
    return size;
}

/* ---- Board, module, time ---- */

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    PROMISE(port == BOARD_PORT_FN);
    return (int)fnm_output(fnm, data, size, now);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    PROMISE(port == BOARD_PORT_FN);
    fnm_feed(fnm, data, size, now);
    return (int)size;
}

static void fill_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    memset(data, 0x80, size);
}

static void trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context;
    (void)level;
    PROMISE(strlen(text) < 200);
}

static void check_confirmed(uint32_t document)
{
    struct fnm_document kept;
    if (document == 0)
        return;
    PROMISE(document == confirmed + 1 || fn_may_be_odd);
    PROMISE(document <= answered);
    PROMISE(fnm_document_get(fnm, document, &kept) && kept.acknowledged);
    confirmed = document;
}

static void turn(void)
{
    struct moment moment = {.mono = now, .calendar = START + (unix_s)(now / 1000)};
    (void)fn_client_step(&fn, now);
    ofd_client_step(&ofd, &moment);
    check_confirmed(ofd_client_take_confirmed(&ofd));
    if (register_wants != 0 && fn_acquire(&fn, FN_OWNER_REGISTER))
        register_wants = 0;
    PROMISE(register_wants == 0 || now - register_wants < 15000);
    now += 50;
}

static void run(mono_ms milliseconds)
{
    for (mono_ms until = now + milliseconds; now < until;)
        turn();
}

/* The register holds the line for a while, as for a document. */
static void hold(unsigned seconds)
{
    register_wants = now;
    while (register_wants != 0)
        turn();
    run(seconds * 1000u);
    fn_release(&fn, FN_OWNER_REGISTER);
}

/* A command of the register, which holds the line. */
static bool call(uint8_t command, const void *data, size_t size)
{
    fn_start(&fn, command, data, size, now);
    while (fn.state == FN_STATE_WAITING)
        turn();
    return fn_ok(&fn);
}

/* A state report is the shortest of documents. Refused while the module is made to misbehave. */
static void one_more_document(void)
{
    uint8_t time[DATE_TIME_SIZE];
    static const uint8_t cashier[] = {0xFD, 0x03, 4, 0, 'A', 'n', 'n', 'a'};
    PROMISE(date_time_from_unix(START + (unix_s)(now / 1000), time));
    hold(0);
    PROMISE(fn_acquire(&fn, FN_OWNER_REGISTER));
    if (call(FN_STATE_BEGIN, time, sizeof time) && call(FN_DATA, cashier, sizeof cashier))
        (void)call(FN_STATE_FORM, NULL, 0);
    (void)call(FN_CANCEL, NULL, 0);
    fn_release(&fn, FN_OWNER_REGISTER);
    ofd_client_formed(&ofd);
}

static void power(void)
{
    fn_client_init(&fn, &board);
    ofd_client_init(&ofd, &board, &fn, &settings);
    line_break();
    line.state = BOARD_NET_CLOSED;
    register_wants = 0;
    confirmed = fnm_document_count(fnm) - fnm_unconfirmed_count(fnm);
}

/* ---- Steps ---- */

static void do_step(const uint8_t *step)
{
    uint8_t noise[256];
    size_t count;
    switch (step[0] % STEP_COUNT) {
    case STEP_WAIT:
        run(step[1] * 1000u);
        break;
    case STEP_NET:
        line_trouble(step[1], step[2] * 8u, step[3]);
        strcpy(settings.host, (step[1] & 0x10) == 0 ? "ofd.example" : "");
        break;
    case STEP_BREAK:
        line_break();
        break;
    case STEP_SAY:
        memset(noise, step[2], sizeof noise);
        count = line.out_size + step[1] > sizeof line.out ? 0 : step[1];
        memcpy(line.out + line.out_size, noise, count);
        line.out_size += count;
        break;
    case STEP_RECEIPT:
        one_more_document();
        break;
    case STEP_FAULT:
        fn_may_be_odd = true;
        if (step[1] % 10 == FNM_FAULT_ANSWER_CODE && (step[2] & 0x7F) == FN_OK)
            break;
        fnm_fault(fnm, (enum fnm_fault)(step[1] % 10), step[2]);
        break;
    case STEP_POWER:
        power();
        break;
    case STEP_HOLD:
        hold(step[1] % 32);
        break;
    case STEP_RESTART:
        ofd_client_restart(&ofd);
        break;
    default:
        if (bend_count < BENDS_MAX) {
            bends[bend_count].kind = step[1];
            bends[bend_count].place = step[2];
            bends[bend_count++].value = step[3];
        }
    }
}

static void drain(void)
{
    bend_count = 0;
    line_heal();
    strcpy(settings.host, "ofd.example");
    fnm_fault(fnm, FNM_FAULT_NONE, 0);
    fnm_fault(fnm, FNM_FAULT_DELAY, 0);
    fnm_fault(fnm, FNM_FAULT_OFF, 0);
    for (unsigned minute = 0; minute < 20 && fnm_unconfirmed_count(fnm) > 0; minute++)
        run(60000);
    PROMISE(fnm_unconfirmed_count(fnm) == 0);
    run(1000);
    PROMISE(ofd.report.queue_count == 0 && line.received == fnm_document_count(fnm));
}

/* ---- The past ---- */

/* Its message is longer than what the client holds at a time. */
static void long_receipt(void)
{
    uint8_t bytes[FN_DATA_MAX];
    struct byte_writer tlv;
    PROMISE(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock) == FN_OK);
    for (unsigned block = 0; block < 4; block++) {
        byte_writer_init(&tlv, bytes, sizeof bytes);
        for (unsigned item = 0; item < 8; item++)
            rig_put_item(&tlv, "An item with a name of about sixty characters and some more.", 100);
        if (block == 3)
            rig_put_totals(&tlv, 3200);
        PROMISE(rig_tlv(&rig, &tlv) == FN_OK);
    }
    PROMISE(rig_receipt_form(&rig, rig.clock, SETTLEMENT_SALE, 3200) == FN_OK);
}

static void make_template(void)
{
    rig_init(&rig);
    rig.clock = START - 60;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 12345);
    long_receipt();
    PROMISE(fnm_document_count(rig.fn) == DOCUMENTS);
    int fd = open(rig.path, O_RDONLY);
    PROMISE(fd >= 0 && read(fd, templates, TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
    PROMISE(templates[TEMPLATE_SIZE - 1] == 0);
    close(fd);
    rig_free(&rig);
    snprintf(path, sizeof path, "/dev/shm/ofd_session_fuzz.%ld", (long)getpid());
    template_made = true;
}

static void begin(void)
{
    struct fnm_options options = {.store_path = path, .no_sync = true};
    char error[256];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    PROMISE(fd >= 0 && write(fd, templates, TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
    PROMISE(ftruncate(fd, 2 * TEMPLATE_SIZE) == 0);
    close(fd);
    fnm = fnm_open(&options, error, sizeof error);
    PROMISE(fnm != NULL);
    now = 1000;
    board = (struct board){
        .port_read = port_read, .port_write = port_write, .random = fill_random, .trace = trace};
    settings = (struct ofd_settings){
        .host = "ofd.example", .port = 7777, .ffd = FFD_1_05, .enabled = true};
    line_init(1);
    line_board(&board);
    line.bend = bend;
    bend_count = 0;
    answered = 0;
    last_size = 0;
    fn_may_be_odd = false;
    power();
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    return mutate_steps(data, size, capacity, 0, STEP_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!template_made)
        make_template();
    begin();
    for (size_t at = 0; at + STEP_SIZE <= size && at < STEPS_MAX * STEP_SIZE; at += STEP_SIZE)
        do_step(data + at);
    drain();
    fnm_close(fnm);
    unlink(path);
    return 0;
}

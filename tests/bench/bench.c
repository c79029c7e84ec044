/* Counts what a sale costs: bytes and round trips on the host link, flash operations, FN commands,
 * durable commits; and the rate of receipts beside the machine's own rate of write+fdatasync, both
 * in this run. Starts build/kkt-board itself.
 *
 *     bench BUILD_FOLDER WORK_FOLDER
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostdrv/kkt.h"
#include "proto/inn.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define COUNTED  200u  /* receipts over which figures are averaged */
#define RATE_FOR 1500u /* receipts of one round of the rate */
#define ROUNDS   5u

static const char *build, *work;
static pid_t board;
static int broken;

static void fail(const char *what, const kkt_error *error)
{
    fprintf(stderr, "bench: %s: %s %s\n", what, error != NULL ? error->name : "",
            error != NULL ? error->text : strerror(errno));
    if (board > 0)
        kill(board, SIGKILL);
    exit(1);
}

static void figure(const char *name, double value, const char *unit, char relation, double limit)
{
    bool good = relation == '<' ? value <= limit : relation == '>' ? value >= limit : true;
    char number[32];
    snprintf(number, sizeof(number), value == (double)(long long)value ? "%.0f" : "%.2f", value);
    if (relation == '-') /* informs only */
        printf("bench: %s %s %s limit >=0\n", name, number, unit);
    else
        printf("bench: %s %s %s limit %c=%g%s\n", name, number, unit, relation, limit,
               good ? "" : "  BROKEN");
    fflush(stdout);
    broken |= !good;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void start_board(char *uri, size_t size)
{
    char program[512], state[512], port_file[512];
    snprintf(program, sizeof(program), "%s/kkt-board", build);
    snprintf(state, sizeof(state), "%s/state", work);
    snprintf(port_file, sizeof(port_file), "%s/port", work);
    board = fork();
    if (board == 0) {
        execl(program, program, "run", "--state", state, "--listen", "127.0.0.1:0", "--port-file",
              port_file, "--pace", "0", "--no-paper", "--quiet", "--flash-size", "4194304",
              (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; i < 500; i++) {
        FILE *file = fopen(port_file, "r");
        unsigned port = 0;
        if (file != NULL) {
            bool good = fscanf(file, "%u", &port) == 1;
            fclose(file);
            if (good && port != 0) {
                snprintf(uri, size, "tcp:127.0.0.1:%u", port);
                return;
            }
        }
        usleep(10000);
    }
    errno = ETIMEDOUT;
    fail("kkt-board does not start", NULL);
}

/* A number out of `kkt-board ctl stats --json`; absent counts are 0 when they stand in a group. */
static double board_stat(const char *group, const char *name)
{
    char command[700], text[16384];
    snprintf(command, sizeof(command), "%s/kkt-board ctl --state %s/state stats --json", build,
             work);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        fail("ctl stats", NULL);
    size_t length = fread(text, 1, sizeof(text) - 1, pipe);
    text[length] = '\0';
    pclose(pipe);
    struct json_object *root = json_tokener_parse(text), *place = root, *value = NULL;
    if (root == NULL || (group != NULL && !json_object_object_get_ex(root, group, &place)) ||
        (!json_object_object_get_ex(place, name, &value) && group == NULL)) {
        fprintf(stderr, "bench: no %s in: %s\n", name, text);
        fail("ctl stats", NULL);
    }
    double number = value != NULL ? json_object_get_double(value) : 0;
    json_object_put(root);
    return number;
}

/* Commands of a receipt: status, begin, data, form, cancel. What the paper and the operator's queue
 * ask is not among them. */
static double fn_document_commands(void)
{
    static const char *const codes[] = {"30", "15", "07", "16", "06"};
    double sum = 0;
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        sum += board_stat("fn_by_code", codes[i]);
    return sum;
}

static void put_text(struct byte_writer *writer, uint16_t tag, const char *text)
{
    tlv_put_bytes(writer, tag, text, strlen(text));
}

static void do_job(kkt_queue *queue, kkt *device, enum kkt_job job, const uint8_t *body,
                   size_t size)
{
    kkt_key key;
    kkt_error error;
    kkt_result result;
    kkt_key_random(&key);
    if (kkt_submit(queue, &key, job, body, size, &error) != KKT_OK ||
        kkt_wait(queue, device, &key, 20000, &result, &error) != KKT_OK)
        fail("job", &error);
    if (result.state != KKT_JOB_DONE)
        fail("job refused", &result.error);
}

static void prepare(kkt_queue *queue, kkt *device)
{
    uint8_t body[1024];
    char rnm[RNM_DIGITS];
    kkt_identity identity;
    kkt_error error;
    if (kkt_get_identity(device, &identity, &error) != KKT_OK)
        fail("identity", &error);
    rnm_make("0000000001", "7702203276", identity.serial, rnm);
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    put_text(&writer, TAG_USER_NAME, "OOO BENCH");
    tlv_put_padded(&writer, TAG_USER_INN, "7702203276", 10, 12);
    put_text(&writer, TAG_SETTLEMENT_ADDRESS, "Moscow");
    put_text(&writer, TAG_SETTLEMENT_PLACE, "shop.example");
    tlv_put_padded(&writer, TAG_KKT_REGISTRATION_NUMBER, rnm, RNM_DIGITS, 20);
    tlv_put_u8(&writer, TAG_TAX_SYSTEMS, 1);
    put_text(&writer, TAG_FNS_SITE, "www.nalog.gov.ru");
    put_text(&writer, TAG_OFD_NAME, "OFD");
    tlv_put_padded(&writer, TAG_OFD_INN, "7704358518", 10, 12);
    put_text(&writer, TAG_CASHIER, "Ivanova");
    tlv_put_u8(&writer, TAG_FFD_VERSION, FFD_1_05);
    do_job(queue, device, KKT_JOB_REGISTRATION, body, writer.length);
    byte_writer_init(&writer, body, sizeof(body));
    put_text(&writer, TAG_CASHIER, "Ivanova");
    do_job(queue, device, KKT_JOB_SHIFT_OPEN, body, writer.length);
}

/* The sale all limits speak of: 5 items with names of 30 characters, cash. */
static size_t five_items(uint8_t *out, size_t capacity)
{
    static const char *const names[] = {
        "Чай чёрный листовой, 100 грамм", "Кофе зерновой, арабика, 250 г.",
        "Сахар-рафинад тростниковый 0,5", "Печенье овсяное с шоколадом 3п",
        "Доставка курьером до двери, 1 "};
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    kkt_error error;
    const uint8_t *tlv;
    size_t size;
    for (unsigned i = 0; i < 5; i++)
        kkt_receipt_item(receipt, names[i], "123.45", "2", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_tax_system(receipt, KKT_TAX_OSN);
    kkt_receipt_pay(receipt, KKT_CASH, "1234.50");
    if (kkt_receipt_encode(receipt, &tlv, &size, &error) != KKT_OK || size > capacity)
        fail("receipt", &error);
    memcpy(out, tlv, size);
    kkt_receipt_free(receipt);
    return size;
}

/* Bytes of one answer on the wire: a sale without paper brings no event beside it. */
static double answer_bytes(kkt_queue *queue, kkt *device)
{
    kkt_counters before, after;
    kkt_error error;
    const uint8_t *tlv;
    size_t size;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    kkt_receipt_item(receipt, "Чай", "123.45", "2", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_buyer_contact(receipt, "+79990000000");
    kkt_receipt_electronically(receipt);
    kkt_receipt_pay(receipt, KKT_CASH, "246.90");
    if (kkt_receipt_encode(receipt, &tlv, &size, &error) != KKT_OK)
        fail("receipt", &error);
    kkt_get_counters(queue, device, &before);
    for (unsigned i = 0; i < 20; i++)
        do_job(queue, device, KKT_JOB_RECEIPT, tlv, size);
    kkt_get_counters(queue, device, &after);
    kkt_receipt_free(receipt);
    return (double)(after.bytes_received - before.bytes_received) / 20;
}

static void wait_for_paper(kkt *device)
{
    kkt_status status;
    kkt_error error;
    for (unsigned i = 0; i < 1000; i++) {
        if (kkt_get_status(device, &status, &error) != KKT_OK)
            fail("status", &error);
        if (status.slips_owed == 0)
            return;
        usleep(10000);
    }
    errno = ETIMEDOUT;
    fail("paper does not come", NULL);
}

static void count_costs(kkt_queue *queue, kkt *device)
{
    uint8_t body[1024];
    size_t size = five_items(body, sizeof(body));
    kkt_counters before, after;
    do_job(queue, device, KKT_JOB_RECEIPT, body, size);
    wait_for_paper(device);
    double bytes = board_stat(NULL, "flash_programmed_bytes"),
           erases = board_stat(NULL, "flash_erases");
    double fn = fn_document_commands(), in_request = board_stat(NULL, "flash_erases_in_request");
    kkt_get_counters(queue, device, &before);
    for (unsigned i = 0; i < COUNTED; i++) {
        do_job(queue, device, KKT_JOB_RECEIPT, body, size);
    }
    kkt_get_counters(queue, device, &after);
    wait_for_paper(device);
    double n = COUNTED;
    bytes = board_stat(NULL, "flash_programmed_bytes") - bytes;
    erases = board_stat(NULL, "flash_erases") - erases;
    in_request = board_stat(NULL, "flash_erases_in_request") - in_request;
    fn = fn_document_commands() - fn;
    figure("link_request_bytes", (double)(after.bytes_sent - before.bytes_sent) / n, "bytes", '<',
           480);
    figure("link_answer_bytes", answer_bytes(queue, device), "bytes", '<', 64);
    figure("link_round_trips", (double)(after.requests_sent - before.requests_sent) / n, "requests",
           '<', 1);
    figure("journal_bytes_per_receipt", bytes / n, "bytes", '<', 1024);
    figure("erases_in_sale", in_request, "erases", '<', 0);
    figure("erases_between_sales", erases, "erases", '-', 0);
    figure("fn_commands_per_receipt", fn / n, "commands", '<', 4);
    figure("queue_commits_per_job", (double)(after.queue_commits - before.queue_commits) / n,
           "commits", '<', 2);
}

static double rate_of_sync(void)
{
    char path[512];
    static uint8_t block[4096];
    snprintf(path, sizeof(path), "%s/sync", work);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        fail(path, NULL);
    for (unsigned i = 0; i < 256; i++)
        (void)!pwrite(file, block, sizeof(block), (off_t)(i * sizeof(block)));
    (void)fsync(file);
    unsigned count = 0;
    double start = seconds();
    while (seconds() - start < 0.4) {
        block[0]++;
        (void)!pwrite(file, block, sizeof(block), (off_t)((count++ % 256) * sizeof(block)));
        (void)fdatasync(file);
    }
    double rate = count / (seconds() - start);
    close(file);
    return rate;
}

static double rate_of_receipts(kkt_queue *queue, kkt *device)
{
    static kkt_submission jobs[RATE_FOR];
    uint8_t body[1024];
    size_t size = five_items(body, sizeof(body)), failed = 0;
    kkt_error error;
    for (unsigned i = 0; i < RATE_FOR; i++) {
        kkt_key_random(&jobs[i].key);
        jobs[i].job = KKT_JOB_RECEIPT;
        jobs[i].body = body;
        jobs[i].size = size;
    }
    double start = seconds();
    if (kkt_submit_many(queue, jobs, RATE_FOR, &failed, &error) != KKT_OK ||
        kkt_run(queue, device, 60000, &error) != KKT_OK)
        fail("rate", &error);
    double took = seconds() - start;
    kkt_result result;
    for (unsigned i = 0; i < RATE_FOR; i++) {
        if (kkt_find(queue, &jobs[i].key, &result, &error) != KKT_OK ||
            result.state != KKT_JOB_DONE)
            fail("a receipt of the rate is not done", &result.error);
    }
    return RATE_FOR / took;
}

static int by_ratio(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return a[0] < b[0] ? -1 : a[0] > b[0];
}

/* Both rates side by side, several times: the machine's mood changes from second to second. The
 * median pair counts. */
static void measure_rates(kkt_queue *queue, kkt *device)
{
    double pairs[ROUNDS][3];
    for (unsigned i = 0; i < ROUNDS; i++) {
        double before = rate_of_sync();
        pairs[i][1] = rate_of_receipts(queue, device);
        wait_for_paper(device);
        pairs[i][2] = (before + rate_of_sync()) / 2;
        pairs[i][0] = pairs[i][1] / pairs[i][2];
    }
    qsort(pairs, ROUNDS, sizeof(pairs[0]), by_ratio);
    const double *median = pairs[ROUNDS / 2];
    figure("receipts_per_second", median[1], "1/s", '-', 0);
    figure("fdatasync_per_second", median[2], "1/s", '-', 0);
    /* A time, though a ratio: a busy machine may break it, so only `make bench` holds it against
     * its limit. */
    bool timed = getenv("BENCH_COUNTED_ONLY") == NULL;
    figure("receipts_per_fdatasync", median[0], "ratio", timed ? '>' : '-', 0.25);
}

int main(int count, char **arguments)
{
    char uri[64], path[512];
    kkt *device = NULL;
    kkt_queue *queue = NULL;
    kkt_error error;
    if (count != 3) {
        fprintf(stderr, "usage: bench BUILD_FOLDER WORK_FOLDER\n");
        return 2;
    }
    build = arguments[1];
    work = arguments[2];
    start_board(uri, sizeof(uri));
    snprintf(path, sizeof(path), "%s/queue.db", work);
    if (kkt_open(uri, NULL, &device, &error) != KKT_OK ||
        kkt_queue_open(path, &queue, &error) != KKT_OK)
        fail("open", &error);
    prepare(queue, device);
    count_costs(queue, device);
    measure_rates(queue, device);
    kkt_queue_close(queue);
    kkt_close(device);
    kill(board, SIGTERM);
    waitpid(board, NULL, 0);
    return broken;
}

/* The board of register_fuzz.c: the world of the unit tests with a line to the module that can be
 * tampered with, an operator, power that goes again and again, and a past to begin with. */
#ifndef TESTS_FUZZ_REGISTER_WORLD_H
#define TESTS_FUZZ_REGISTER_WORLD_H

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/fuzz/job_body.h"
#include "tests/fuzz/operator_line.h"

#define PASTS         3u
#define TEMPLATE_SIZE 16384u
#define CUTS_MAX      8u

struct past {
    uint8_t flash[WORLD_FLASH];
    uint8_t store[TEMPLATE_SIZE];
    mono_ms mono;
    uint32_t documents;
};

static struct world world;
static struct past pasts[PASTS];
static bool pasts_made;
static struct {
    uint8_t after, shape;
} cuts[CUTS_MAX];
static unsigned cut_count;
static bool tainted; /* the module lied */
static unsigned damage_after, lie_after;
static uint8_t damage_with, lie_at, lie_with;
static uint8_t answer[FN_FRAME_MAX * 2]; /* the module's frame, when it is tampered with */
static size_t answer_size, answer_read;

/* ---- The line to the module ---- */

/* Takes the module's whole answer and changes it. */
static void tamper(void)
{
    uint8_t *frame = answer;
    answer_size = fnm_output(world.fnm, answer, sizeof answer, world.mono);
    answer_read = 0;
    if (lie_after > 0 && answer_size > FN_FRAME_OVERHEAD && --lie_after == 0) {
        struct fn_decoder decoder;
        uint8_t code = 0;
        const uint8_t *data = NULL;
        size_t size = 0;
        fn_decoder_init(&decoder);
        for (size_t i = 0; i < answer_size; i++)
            (void)fn_decoder_push(&decoder, frame[i], &code, &data, &size);
        if (data != NULL) {
            decoder.buffer[3 + lie_at % (size + 1)] ^= lie_with;
            answer_size = fn_frame_encode(decoder.buffer[3], data, size, answer, sizeof answer);
            line.lying = tainted = true;
        }
    }
}

static int fuzz_port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    if (port != BOARD_PORT_FN)
        return world_port_read(context, port, data, size);
    if (answer_read == answer_size) {
        answer_read = answer_size = 0;
        tamper();
    }
    size_t left = answer_size - answer_read;
    size = size < left ? size : left;
    memcpy(data, answer + answer_read, size);
    for (size_t i = 0; i < size; i++)
        if (damage_after > 0 && --damage_after == 0) {
            data[i] ^= damage_with;
            /* A length that lies may by chance find a right checksum elsewhere. */
            if (answer_read + i == 1 || answer_read + i == 2)
                line.lying = tainted = true;
        }
    answer_read += size;
    return (int)size;
}

static void fuzz_trace(void *context, enum board_trace_level level, const char *text)
{
    PROMISE(strlen(text) < 1000);
    world_trace(context, level, text);
}

/* ---- Time and power ---- */

static void turn(void)
{
    struct moment now = {world.mono, world_calendar(&world)};
    uint32_t sleep_ms = firmware_step(&world.firmware, &now);
    print_head_step(world.head, world.mono);
    world.mono += sleep_ms == 0 ? 0 : 100;
}

static void run(uint32_t milliseconds)
{
    mono_ms until = world.mono + milliseconds;
    for (unsigned turns = 0; world.mono < until; turns++) {
        PROMISE(turns < 100000); /* it would never sleep */
        turn();
    }
}

static void arm_next_cut(void)
{
    world.cut_at = 0;
    if (cut_count == 0)
        return;
    cut_count--;
    world.cut_at = world.flash_ops + 1 + cuts[cut_count].after;
    world.tear = (enum tear)(cuts[cut_count].shape % TEAR_SHAPES);
}

static void start(void)
{
    answer_read = answer_size = 0;
    PROMISE(world_power_on(&world) == ERROR_NONE);
    run(1000);
}

/* On again, as often as the power goes. */
static void power(void)
{
    static unsigned turns;
    for (turns = 0; turns <= CUTS_MAX; turns++) {
        arm_next_cut();
        if (setjmp(world.cut) == 0) {
            start();
            return;
        }
    }
    PROMISE(turns <= CUTS_MAX);
}

/* ---- The past ---- */

static void store_path(char *out, size_t size)
{
    snprintf(out, size, "%s/fn.store", world.folder);
}

static void make_pasts(void)
{
    static const uint8_t formats[PASTS] = {0, FFD_1_05, FFD_1_2};
    static uint8_t body[2048];
    char path[96];
    for (unsigned i = 0; i < PASTS; i++) {
        world_create(&world, false);
        if (formats[i] != 0) {
            world_ready(&world, formats[i]);
            (void)world_must(
                world_job(&world, LINK_RECEIPT, 202, body,
                          world_receipt(body, sizeof body, SETTLEMENT_SALE, 1, 50000)));
            (void)world_must(world_job(&world, LINK_SETTINGS_SET, 203, body,
                                       plain_body(LINK_SETTINGS_SET, 0, 0, body, sizeof body)));
            world_run(&world, 3000);
        }
        pasts[i].documents = fnm_document_count(world.fnm);
        pasts[i].mono = world.mono;
        memcpy(pasts[i].flash, world.flash, WORLD_FLASH);
        store_path(path, sizeof path);
        int fd = open(path, O_RDONLY);
        PROMISE(fd >= 0 && read(fd, pasts[i].store, TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
        PROMISE(pasts[i].store[TEMPLATE_SIZE - 1] == 0);
        close(fd);
        world_destroy(&world);
    }
}

static void lay_store(const struct past *past)
{
    char path[96];
    store_path(path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    PROMISE(fd >= 0);
    PROMISE(write(fd, past->store, TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
    PROMISE(ftruncate(fd, 2 * TEMPLATE_SIZE) == 0); /* room, but little to be looked through */
    close(fd);
    world_open_fn(&world);
}

static void lay_past(const struct past *past)
{
    memset(&world, 0, sizeof world);
    snprintf(world.folder, sizeof world.folder, "/dev/shm/register_fuzz.%ld", (long)getpid());
    (void)mkdir(world.folder, 0700);
    memcpy(world.flash, past->flash, WORLD_FLASH);
    lay_store(past);
    struct print_head_options head = {.columns = 48};
    world.head = print_head_open(&head);
    PROMISE(world.head != NULL);
    world.board = world_board;
    world.board.context = &world;
    world.board.port_read = fuzz_port_read;
    world.board.trace = fuzz_trace;
    line_board(&world.board);
    line_init(1);
    world.mono = past->mono;
    world.seed = 1;
    cut_count = damage_after = lie_after = 0;
    tainted = false;
    answer_read = answer_size = 0;
    world_replug(&world);
}

#endif

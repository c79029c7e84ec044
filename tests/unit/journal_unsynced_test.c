/* The journal on flash that buffers (a file): blocks of 4 KiB reach the disk whole, at any time and
 * in any order, so that a power cut leaves each of them as it was at a moment of its own since the
 * last sync. Held against J3: what is mounted afterwards is a prefix that contains all that was
 * synced; and what a mount has told does not vanish in the next cut. */
#include "firmware/journal_internal.h"
#include "tests/unit/journal_model.h"

#define UNSYNCED_MAX 4096u
#define BLOCK        4096u

struct unsynced {
    uint32_t address, size;
    bool erase;
    uint8_t data[512];
};

struct buffered {
    struct ram_flash flash;   /* as the processor reads it */
    struct ram_flash durable; /* as of the last sync */
    struct unsynced *list;
    uint32_t count;
    void (*at_operation)(void *user);
    void *user;
};

static void remember(void *user, struct ram_flash *flash, uint32_t address, const uint8_t *data,
                     size_t size)
{
    struct buffered *chip = user;
    (void)flash;
    assert_true(chip->count < UNSYNCED_MAX);
    struct unsynced *operation = &chip->list[chip->count++];
    operation->address = address;
    operation->size = (uint32_t)size;
    operation->erase = data == NULL;
    if (data != NULL) {
        assert_true(size <= sizeof(operation->data));
        memcpy(operation->data, data, size);
    }
    if (chip->at_operation != NULL)
        chip->at_operation(chip->user);
}

static int make_durable(void *context)
{
    struct ram_flash *flash = context;
    struct buffered *chip = flash->before_user;
    ram_flash_copy(&chip->durable, flash);
    chip->count = 0;
    return ram_flash_sync(flash);
}

static void buffered_init(struct buffered *chip, uint32_t size, uint32_t sector_size,
                          uint32_t page_size)
{
    memset(chip, 0, sizeof(*chip));
    ram_flash_init(&chip->flash, size, sector_size, page_size, 0xFF);
    ram_flash_init(&chip->durable, size, sector_size, page_size, 0xFF);
    chip->list = calloc(UNSYNCED_MAX, sizeof(*chip->list));
    assert_non_null(chip->list);
    chip->flash.before = remember;
    chip->flash.before_user = chip;
}

static void buffered_free(struct buffered *chip)
{
    ram_flash_free(&chip->flash);
    ram_flash_free(&chip->durable);
    free(chip->list);
}

/* What is left on the disk: of each block the first so many operations. */
static void draw_image(const struct buffered *chip, struct buffered *left, uint32_t seed)
{
    ram_flash_copy(&left->flash, &chip->durable);
    for (uint32_t i = 0; i < chip->count; i++) {
        const struct unsynced *operation = &chip->list[i];
        uint32_t reached = model_mix(seed, operation->address / BLOCK) % (chip->count + 1);
        if (i >= reached)
            continue;
        if (operation->erase)
            memset(left->flash.bytes + operation->address, 0xFF, operation->size);
        else
            memcpy(left->flash.bytes + operation->address, operation->data, operation->size);
    }
    left->flash.before = remember;
    left->flash.before_user = left;
    ram_flash_copy(&left->durable, &left->flash);
    left->count = 0;
}

struct lossy_run {
    struct buffered chip, left;
    struct model *model, *after;
    uint32_t *hashes; /* of the state after so many records */
    uint32_t synced;
    uint32_t draws; /* at each operation */
    uint32_t images;
};

/* J7: what bears the mark of an erase is wholly erased, each block of it. */
static void check_marked(const struct lossy_run *run)
{
    const struct journal *journal = &run->model->journal;
    const struct ram_flash *flash = &run->left.flash;
    for (uint32_t at = 0; journal->sectors > 0 && at < flash->size; at += journal->sector_size) {
        const uint8_t *bytes = flash->bytes + at;
        if (memcmp(bytes, "ERSD", 4) != 0 || !bytes_are(bytes + 4, SECTOR_HEADER_BODY, 0xFF))
            continue;
        assert_true(bytes_are(bytes + 4, journal->sector_size - 4, 0xFF));
    }
}

static void look_at_what_is_left(struct lossy_run *run)
{
    struct model *after = run->after;
    check_marked(run);
    model_copy(after, run->model, &run->left.flash);
    after->board.flash.sync = make_durable;
    assert_int_equal(model_mount(after), ERROR_NONE);
    uint32_t count = after->state.count;
    assert_true(count >= run->synced && count <= run->model->log.count + 1);
    assert_int_equal(after->state.hash, run->hashes[count]);
    after->log.count = count;
    model_check_log(after);
    /* The records stand behind the state: none that it counts is missing. */
    struct model_walk walk = model_walk(after);
    assert_true(count == 0 || walk.records == 0 || walk.next == count);
    run->images++;
}

/* The process alone is killed: the next one reads all that was written, and tells the world what it
 * mounted. Then the power goes. */
static void kill_then_cut(struct lossy_run *run)
{
    struct model *after = run->after;
    struct buffered *left = &run->left;
    ram_flash_copy(&left->flash, &run->chip.flash);
    ram_flash_copy(&left->durable, &run->chip.durable);
    memcpy(left->list, run->chip.list, run->chip.count * sizeof(*left->list));
    left->count = run->chip.count - 1; /* the last one has not happened yet */
    left->flash.before = remember;
    left->flash.before_user = left;
    model_copy(after, run->model, &left->flash);
    after->board.flash.sync = make_durable;
    assert_int_equal(model_mount(after), ERROR_NONE);
    struct model_state told = after->state;
    ram_flash_copy(&left->flash, &left->durable);
    assert_int_equal(model_mount(after), ERROR_NONE);
    assert_memory_equal(&told, &after->state, sizeof(told));
}

static void cut_here(void *user)
{
    struct lossy_run *run = user;
    for (uint32_t draw = 0; draw < run->draws; draw++) {
        draw_image(&run->chip, &run->left, run->images * 31 + draw);
        look_at_what_is_left(run);
    }
    kill_then_cut(run);
}

static void append_next(struct lossy_run *run)
{
    struct model *model = run->model;
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    uint32_t index = model->state.count;
    model->log.variants[index] = 0;
    struct model_state with = model->state;
    uint16_t size = model_payload(model, index, 0, payload);
    model_apply(&with, model_type(index), payload, size);
    run->hashes[index + 1] = with.hash;
    assert_int_equal(model_append(model, 0), ERROR_NONE);
}

/* The register's habit: a DONE is not synced by itself, the next INTENT syncs both. */
static void run_lossy(uint32_t sector_size, uint32_t sectors, uint32_t records, uint32_t size_max,
                      uint32_t draws, uint32_t images_min)
{
    static struct lossy_run run;
    struct journal_region region = {0, sectors, &test_scratch};
    memset(&run, 0, sizeof(run));
    buffered_init(&run.chip, sector_size * sectors, sector_size, 256);
    buffered_init(&run.left, sector_size * sectors, sector_size, 256);
    run.hashes = calloc(records + 2, sizeof(uint32_t));
    assert_non_null(run.hashes);
    run.model = model_new(&run.chip.flash, region, 21, size_max);
    run.model->board.flash.sync = make_durable;
    run.after = model_new(&run.left.flash, region, 21, size_max);
    run.draws = draws;
    run.chip.at_operation = cut_here;
    run.chip.user = &run;
    assert_int_equal(model_mount(run.model), ERROR_NONE);
    for (uint32_t i = 0; i < records; i++) {
        append_next(&run);
        if (i % 2 == 0) {
            assert_int_equal(journal_sync(&run.model->journal), ERROR_NONE);
            run.synced = run.model->state.count;
        }
        /* Idle time now and then, so that both ways of erasing are met. */
        if (i % 3 == 0 && i / 40 % 2 == 0)
            (void)journal_maintain(&run.model->journal);
    }
    print_message("%u x %u: %u images\n", sectors, sector_size, run.images);
    assert_true(run.images >= images_min);
    free(run.hashes);
    free(run.model);
    free(run.after);
    buffered_free(&run.chip);
    buffered_free(&run.left);
}

static void test_any_subset_survives(void **state)
{
    (void)state;
    run_lossy(4096, 3, 70, 300, 12, 1500);
    run_lossy(4096, 6, 160, 300, 12, 3500);
    /* Two erase units a sector, in one block and in two. */
    run_lossy(1024, 32, 200, 300, 12, 3500);
    run_lossy(4096, 32, 320, 1900, 3, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_subset_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

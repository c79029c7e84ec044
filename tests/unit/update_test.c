/* Replacing the firmware: what is refused, what is tried, what comes back; and the power cut at
 * every flash operation of it, in every shape: one of the two images always starts. */
#include "tests/unit/update_model.h"

#include "proto/tlv.h"

static struct model_image next_image(uint32_t version)
{
    return model_image(1u - (unsigned)model.running, MODEL_VERSION(version));
}

static void test_whole_way(void **state)
{
    (void)state;
    for (unsigned erased = 0; erased < 2; erased++) {
        model_start(erased == 0 ? 0xFF : 0x00);
        for (uint32_t version = 2; version < 6; version++) {
            const struct model_image image = next_image(version);
            unsigned slot = 1u - (unsigned)model.running;
            model.checks_before_answer = 3;
            assert_int_equal(model_send(&image), ERROR_NONE);
            assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_RESTARTING);
            model_turn(false, true, true); /* the answer has not left yet */
            model.now += UPDATE_RESTART_MS;
            model_turn(false, false, true); /* a job is under way */
            assert_int_equal(model.restarts, 0);
            model_turn(false, true, true);
            assert_int_equal(model.restarts, 1);
            model.restarts = 0;
            model_boot();
            assert_int_equal(model.running, slot);
            assert_int_equal(model.runs, MODEL_VERSION(version));
            assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_ON_TRIAL);
            model_turn(false, true, true);
            assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_ON_TRIAL);
            model_turn(true, false, true);
            assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_CONFIRMED);
            for (unsigned starts = 0; starts < 5; starts++) {
                unsigned signatures = model.signatures;
                model_boot();
                assert_int_equal(model.running, slot);
                assert_int_equal(model.signatures, signatures); /* known by its hash */
            }
        }
        model_stop();
    }
}

/* ---- Refusals: each with its code, before anything is erased; the old image goes on ---- */

static struct model_image with(struct model_image image, size_t at, uint8_t flip)
{
    image.header[at] ^= flip;
    return image;
}

static void test_refused_at_begin(void **state)
{
    (void)state;
    model_start(0xFF);
    const struct model_image good = next_image(2);
    const struct {
        struct model_image image;
        uint16_t code;
    } bad[] = {
        {with(good, 0, 1), ERROR_UPDATE_IMAGE},                  /* magic */
        {with(good, 4, 2), ERROR_UPDATE_IMAGE},                  /* format */
        {with(good, 8, 1), ERROR_UPDATE_BOARD},                  /* another board */
        {model_image(0, MODEL_VERSION(2u)), ERROR_UPDATE_BOARD}, /* for the slot that runs */
        {with(good, 31, 1), ERROR_UPDATE_IMAGE},                 /* 16 MiB */
        {next_image(1), ERROR_UPDATE_VERSION},                   /* the same */
        {next_image(0), ERROR_UPDATE_VERSION},                   /* older */
        {with(good, 64, 1), ERROR_UPDATE_SIGNATURE},             /* hash */
        {with(good, 96, 1), ERROR_UPDATE_SIGNATURE},
    };
    uint64_t operations = model.chip.operations;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(model_send(&bad[i].image), bad[i].code);
        assert_int_equal(
            model_ask(LINK_UPDATE_FINISH, bad[i].image.header, FIRMWARE_IMAGE_HEADER_BYTES),
            bad[i].code == ERROR_UPDATE_SIGNATURE ? ERROR_UPDATE_ORDER : bad[i].code);
        assert_int_equal(model.chip.operations, operations);
        assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_NONE);
    }
    assert_int_equal(model_ask(LINK_UPDATE_BEGIN, good.header, sizeof good.header - 1),
                     ERROR_UPDATE_IMAGE);
    assert_int_equal(model_send(&good), ERROR_NONE);
    model_stop();
}

static void test_refused_on_the_way(void **state)
{
    (void)state;
    model_start(0xFF);
    const struct model_image good = next_image(2);
    const struct model_image other = next_image(3);
    assert_int_equal(model_data(0, good.body, 100), ERROR_UPDATE_ORDER); /* nothing was begun */
    assert_int_equal(model_ask(LINK_UPDATE_BEGIN, good.header, sizeof good.header), ERROR_NONE);
    uint64_t operations = model.chip.operations;
    assert_int_equal(model_ask(LINK_UPDATE_BEGIN, good.header, sizeof good.header), ERROR_NONE);
    assert_int_equal(model.chip.operations, operations); /* asked again: not done again */
    assert_int_equal(model_ask(LINK_UPDATE_DATA, good.body, 4), ERROR_REQUEST_MALFORMED);
    assert_int_equal(model_data(1, good.body, 100), ERROR_UPDATE_ORDER);
    assert_int_equal(model_data(0, good.body, 1000), ERROR_NONE);
    operations = model.chip.operations;
    assert_int_equal(model_data(0, good.body, 1000), ERROR_NONE); /* its answer was lost */
    assert_int_equal(model.chip.operations, operations);
    assert_int_equal(model_data(500, good.body, 1000), ERROR_UPDATE_ORDER); /* half of it known */
    assert_int_equal(model_status(TAG_UPDATE_RECEIVED), 1000);
    assert_int_equal(model_ask(LINK_UPDATE_FINISH, good.header, sizeof good.header),
                     ERROR_UPDATE_ORDER); /* cut short */
    assert_int_equal(model_ask(LINK_UPDATE_FINISH, other.header, sizeof other.header),
                     ERROR_UPDATE_ORDER); /* another image's header */
    for (uint32_t at = 1000; at + 1000 <= good.size; at += 1000)
        assert_int_equal(model_data(at, good.body + at, 1000), ERROR_NONE);
    assert_int_equal(model_data(good.size, good.body, 1), ERROR_UPDATE_IMAGE); /* too long */
    assert_int_equal(model_ask(LINK_UPDATE_FINISH, good.header, sizeof good.header), ERROR_NONE);
    assert_int_equal(model_ask(LINK_UPDATE_FINISH, good.header, sizeof good.header), ERROR_NONE);
    assert_int_equal(model_ask(LINK_UPDATE_BEGIN, good.header, sizeof good.header), ERROR_BUSY);
    assert_int_equal(model_data(0, good.body, 1), ERROR_BUSY);
    model_stop();
}

/* What lies in flash is not what was signed: refused by its hash, nothing is offered. */
static void test_damaged(void **state)
{
    (void)state;
    model_start(0xFF);
    struct model_image image = next_image(2);
    image.body[4321] ^= 0x10;
    assert_int_equal(model_send(&image), ERROR_UPDATE_IMAGE);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_NONE);
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(1u));
    image.body[4321] ^= 0x10;
    assert_int_equal(model_send(&image), ERROR_NONE);
    model_stop();
}

static void test_only_between_jobs(void **state)
{
    uint8_t bytes[64];
    struct byte_writer answer;
    struct refusal why;
    (void)state;
    model_start(0xFF);
    const struct model_image image = next_image(2);
    struct link_request request = {
        .code = LINK_UPDATE_BEGIN, .body = image.header, .size = sizeof image.header};
    for (unsigned i = 0; i < 3; i++) {
        byte_writer_init(&answer, bytes, sizeof bytes);
        assert_int_equal(
            update_request(&model.update, &request, (i & 1) != 0, (i & 2) != 0, 1, &why, &answer),
            UPDATE_ANSWER);
        assert_int_equal(why.code, ERROR_BUSY);
    }
    model.board.update = NULL;
    for (unsigned code = LINK_UPDATE_STATUS; code <= LINK_UPDATE_FINISH; code++)
        assert_int_equal(model_ask((uint8_t)code, NULL, 0), ERROR_UPDATE_UNSUPPORTED);
    model_stop();
}

/* ---- An image that does not prove itself ---- */

static void offer_next(uint32_t version)
{
    const struct model_image image = next_image(version);
    assert_int_equal(model_send(&image), ERROR_NONE);
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(version));
}

static void test_rolled_back_when_it_hangs(void **state)
{
    (void)state;
    model_start(0xFF);
    offer_next(2);
    for (unsigned starts = 1; starts < MCU_SLOTS_TRIAL_STARTS; starts++) {
        model_boot(); /* the watchdog */
        assert_int_equal(model.runs, MODEL_VERSION(2u));
    }
    for (unsigned starts = 0; starts < 3; starts++) {
        model_boot();
        assert_int_equal(model.runs, MODEL_VERSION(1u));
        assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_ROLLED_BACK);
    }
    offer_next(2); /* once more is allowed */
    model_turn(true, true, true);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_CONFIRMED);
    model_stop();
}

static void test_restarts_by_itself(void **state)
{
    (void)state;
    model_start(0xFF);
    offer_next(2);
    model.now = UPDATE_TRIAL_MS - 1;
    model_turn(false, true, true);
    assert_int_equal(model.restarts, 0);
    model.now = UPDATE_TRIAL_MS;
    model_turn(false, false, true);
    assert_int_equal(model.restarts, 0);
    model_turn(false, true, true);
    assert_int_equal(model.restarts, 1);
    model_boot();
    model_turn(true, true, false); /* its flash cannot be used: at once */
    assert_int_equal(model.restarts, 2);
    const struct model_image third = next_image(3);
    assert_int_equal(model_send(&third), ERROR_UPDATE_TRIAL); /* the way back stays open */
    model_stop();
}

static void test_damaged_while_on_trial(void **state)
{
    (void)state;
    model_start(0xFF);
    offer_next(2);
    model.chip.bytes[MODEL_SLOT_BYTES + 5000] ^= 1;
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(1u));
    assert_int_equal(model.why[1], FIRMWARE_IMAGE_HASH);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_ROLLED_BACK);
    model_stop();
}

/* Rot of the confirmed image: the other one, if it is good; else nothing, and why. */
static void test_rot(void **state)
{
    (void)state;
    model_start(0xFF);
    offer_next(2);
    model_turn(true, true, true);
    model.chip.bytes[MODEL_SLOT_BYTES + 5000] ^= 1;
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(1u));
    model.chip.bytes[300] ^= 1;
    model_boot();
    assert_int_equal(model.running, -1);
    assert_int_equal(model.why[0], FIRMWARE_IMAGE_HASH);
    assert_int_equal(model.why[1], FIRMWARE_IMAGE_HASH);
    model.chip.bytes[300] ^= 1;
    model.chip.bytes[MODEL_SLOT_BYTES] ^= 1;
    model_boot();
    assert_int_equal(model.running, 0);
    model_stop();
}

/* Without a store the newest good image starts; one on trial is not tried without being counted. */
static void test_store_is_dead(void **state)
{
    (void)state;
    model_start(0xFF);
    const struct model_image second = next_image(2);
    assert_int_equal(model_send(&second), ERROR_NONE);
    model.chip.has_bad_sector = true;
    model.chip.bad_sector = UINT32_MAX;
    model.chip.fault = RAM_FAULT_ERROR;
    model.chip.fault_at = 1;
    model.chip.fault_stays = true;
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(1u));
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_NONE);
    memset(model.chip.bytes + MODEL_STORE_AT, 0, 4u * MODEL_SECTOR);
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(2u));
    model_stop();
}

static void test_flash_fails(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        model_start(0xFF);
        const struct model_image image = next_image(2);
        uint64_t before = model.chip.operations;
        model.chip.fault = at % 2 == 0 ? RAM_FAULT_ERROR : RAM_FAULT_SILENT;
        model.chip.fault_at = before + at;
        uint16_t code = model_send(&image);
        bool reached = model.chip.operations >= model.chip.fault_at;
        model.chip.fault_at = 0;
        /* The store passes a bad place over, and erasing what is blank may fail in silence. */
        assert_true(code == ERROR_UPDATE_FLASH || code == ERROR_NONE || code == ERROR_UPDATE_IMAGE);
        model_boot();
        assert_int_equal(model.runs, MODEL_VERSION(code == ERROR_NONE ? 2u : 1u));
        if (code != ERROR_NONE)
            offer_next(2);
        model_stop();
        if (!reached)
            break;
    }
}

static void test_confirming_fails(void **state)
{
    (void)state;
    model_start(0xFF);
    offer_next(2);
    model.chip.fault = RAM_FAULT_ERROR;
    model.chip.fault_at = 1;
    model.chip.fault_stays = true;
    uint64_t operations = model.chip.operations;
    model_turn(true, true, true);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_ON_TRIAL);
    assert_true(model.chip.operations > operations);
    operations = model.chip.operations;
    model_turn(true, true, true); /* not every turn */
    assert_int_equal(model.chip.operations, operations);
    model.chip.fault_at = 0;
    model.now += UPDATE_CONFIRM_RETRY_MS;
    model_turn(true, true, true);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_CONFIRMED);
    model_stop();
}

/* ---- The power cut ---- */

/* From the factory's image through an update to its confirmation, as far as the power lasts.
 * *offered: FINISH was answered; *confirmed: so was the board itself. */
static void live(bool *offered, bool *confirmed)
{
    const struct model_image image = next_image(2);
    *offered = model_send(&image) == ERROR_NONE;
    if (!*offered)
        return;
    ram_flash_board(&model.chip, &model.board); /* without power on: the cut may come later */
    bool was_dead = model.chip.dead;
    uint64_t cut_at = model.chip.cut_at;
    model_boot();
    model.chip.dead = was_dead;
    model.chip.cut_at = cut_at;
    if (model.running < 0 || model.runs != MODEL_VERSION(2u))
        return;
    model_turn(true, true, true);
    *confirmed = !model.update.trial;
}

static void after_cut(bool offered, bool confirmed)
{
    model_boot();
    assert_true(model.running >= 0);
    assert_true(model.runs == MODEL_VERSION(1u) || model.runs == MODEL_VERSION(2u));
    if (offered)
        assert_int_equal(model.runs, MODEL_VERSION(2u));
    if (confirmed)
        assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_CONFIRMED);
    /* And it can be done to the end. */
    if (model.runs == MODEL_VERSION(1u))
        offer_next(2);
    model_turn(true, true, true);
    assert_int_equal(model_status(TAG_UPDATE_STATE), UPDATE_CONFIRMED);
    model_boot();
    assert_int_equal(model.runs, MODEL_VERSION(2u));
}

static void test_cut_at_every_operation(void **state)
{
    unsigned cuts = 0;
    (void)state;
    for (int tear = 0; tear < RAM_TEARS; tear++)
        for (uint64_t cut = 1;; cut++) {
            bool offered = false, confirmed = false;
            model_start(0xFF);
            model.chip.random_state = cut * RAM_TEARS + (uint64_t)tear;
            ram_flash_cut_in(&model.chip, cut, (enum ram_tear)tear);
            live(&offered, &confirmed);
            bool was_cut = model.chip.dead;
            if (was_cut)
                after_cut(offered, confirmed);
            model_stop();
            if (!was_cut)
                break;
            cuts++;
        }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 400);
}

/* The first stage's own writing, cut at every operation at every start: an image on trial starts at
 * most MCU_SLOTS_TRIAL_STARTS times, and the way back stays open. */
static void test_cut_in_the_first_stage(void **state)
{
    (void)state;
    for (int tear = 0; tear < RAM_TEARS; tear++)
        for (uint64_t cut = 1; cut < 12; cut++) {
            model_start(0xFF);
            model.chip.random_state = cut * RAM_TEARS + (uint64_t)tear;
            const struct model_image image = next_image(2);
            assert_int_equal(model_send(&image), ERROR_NONE);
            unsigned tried = 0;
            for (unsigned starts = 0; starts < 20; starts++) {
                enum firmware_image_error why[MCU_SLOTS];
                ram_flash_power_on(&model.chip);
                ram_flash_cut_in(&model.chip, cut, (enum ram_tear)tear);
                if (starts >= 15)
                    ram_flash_power_on(&model.chip); /* the cuts are over */
                (void)mcu_store_mount(&model.store, &model.board.flash, &model.chip, MODEL_STORE_AT,
                                      4);
                int chosen = mcu_slots_choose(&model.slots, model_signed, why);
                if (model.chip.dead)
                    continue; /* the power failed before it came to that */
                assert_true(chosen >= 0);
                tried += chosen == 1 ? 1u : 0u;
            }
            assert_true(tried <= MCU_SLOTS_TRIAL_STARTS);
            model_boot();
            assert_int_equal(model.runs, MODEL_VERSION(1u));
            model_stop();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_way),
        cmocka_unit_test(test_refused_at_begin),
        cmocka_unit_test(test_refused_on_the_way),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_only_between_jobs),
        cmocka_unit_test(test_rolled_back_when_it_hangs),
        cmocka_unit_test(test_restarts_by_itself),
        cmocka_unit_test(test_damaged_while_on_trial),
        cmocka_unit_test(test_rot),
        cmocka_unit_test(test_store_is_dead),
        cmocka_unit_test(test_flash_fails),
        cmocka_unit_test(test_confirming_fails),
        cmocka_unit_test(test_cut_at_every_operation),
        cmocka_unit_test(test_cut_in_the_first_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

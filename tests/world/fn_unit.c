#include "tests/world/fn_unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/world/check.h"

/* The module's own randomness: the same unit has the same keys in every run. */
static bool unit_random(void *context, uint8_t *data, size_t size)
{
    const struct fn_unit *unit = context;
    for (size_t i = 0; i < size; i++)
        data[i] = unit->key[i % sizeof unit->key];
    return true;
}

static void wake(struct fn_unit *unit)
{
    char error[128];
    struct fnm_options options = {.storage = fn_memory_storage(unit->memory),
                                  .serial = unit->serial,
                                  .random = unit_random,
                                  .random_context = unit};
    unit->fnm = fnm_open(&options, error, sizeof error);
    /* The power may go again while it mends a torn tail. */
    for (unsigned i = 0; unit->fnm == NULL && fn_memory_is_dead(unit->memory) && i < 16; i++) {
        fn_memory_revive(unit->memory);
        unit->fnm = fnm_open(&options, error, sizeof error);
    }
    CHECK(unit->fnm != NULL, "I1: the FN's store cannot be read again: %s", error);
}

void fn_unit_open(struct fn_unit *unit, unsigned number, uint64_t seed)
{
    memset(unit, 0, sizeof *unit);
    snprintf(unit->serial, sizeof unit->serial, "99990789%08u", number % 100000000u);
    for (unsigned i = 0; i < sizeof unit->key; i++)
        unit->key[i] = (uint8_t)((seed >> (i % 8 * 8)) + i * 37u + number);
    unit->memory = fn_memory_create(0);
    CHECK(unit->memory != NULL, "harness: out of memory");
    wake(unit);
}

void fn_unit_close(struct fn_unit *unit)
{
    fnm_close(unit->fnm);
    fn_memory_destroy(unit->memory);
    memset(unit, 0, sizeof *unit);
}

void fn_unit_power_cycle(struct fn_unit *unit)
{
    if (!fn_memory_is_dead(unit->memory)) {
        fnm_power_cycle(unit->fnm);
        return;
    }
    fnm_close(unit->fnm);
    fn_memory_revive(unit->memory);
    wake(unit);
}

void fn_unit_cut(struct fn_unit *unit, uint64_t n, enum fn_memory_tear tear, uint32_t argument)
{
    fn_memory_cut_at(unit->memory, n == 0 ? 0 : fn_memory_operations(unit->memory) + n, tear,
                     argument);
}

bool fn_unit_is_dead(const struct fn_unit *unit)
{
    return fn_memory_is_dead(unit->memory);
}

void fn_unit_save(struct fn_unit *unit)
{
    fn_memory_release(unit->memory);
    unit->mark = fn_memory_save(unit->memory);
    unit->mark_operations = fn_memory_operations(unit->memory);
    CHECK(unit->mark != 0, "harness: the FN cannot be saved");
}

void fn_unit_restore(struct fn_unit *unit)
{
    CHECK(unit->mark != 0, "harness: the FN was not saved");
    if (!fn_memory_is_dead(unit->memory) &&
        fn_memory_operations(unit->memory) == unit->mark_operations) {
        fnm_power_cycle(unit->fnm);
        return;
    }
    fnm_close(unit->fnm);
    fn_memory_restore(unit->memory, unit->mark);
    wake(unit);
}

uint32_t fn_unit_digest(const struct fn_unit *unit)
{
    return fn_memory_digest(unit->memory);
}

#include "tests/world/fn_unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/crc.h"
#include "tests/world/check.h"

static void open_store(struct fn_unit *unit)
{
    char error[128];
    struct fnm_options options = {.store_path = unit->path, .no_sync = true};
    unit->fnm = fnm_open(&options, error, sizeof error);
    CHECK(unit->fnm != NULL, "harness: %s", error);
}

void fn_unit_open(struct fn_unit *unit, unsigned number, uint64_t seed)
{
    (void)seed;
    memset(unit, 0, sizeof *unit);
    snprintf(unit->path, sizeof unit->path, "/dev/shm/fn-%d-%u", (int)getpid(), number);
    unlink(unit->path);
    open_store(unit);
}
void fn_unit_close(struct fn_unit *unit)
{
    fnm_close(unit->fnm);
    unlink(unit->path);
    free(unit->mark);
}
void fn_unit_power_cycle(struct fn_unit *unit)
{
    fnm_power_cycle(unit->fnm);
}
void fn_unit_cut(struct fn_unit *unit, uint64_t n, enum fn_tear tear, uint64_t seed)
{
    (void)unit;
    (void)n;
    (void)tear;
    (void)seed;
}
bool fn_unit_is_dead(const struct fn_unit *unit)
{
    (void)unit;
    return false;
}
uint64_t fn_unit_writes(const struct fn_unit *unit)
{
    return fnm_counters(unit->fnm)->writes;
}
static uint8_t whole[1 << 20];
void fn_unit_save(struct fn_unit *unit)
{
    FILE *file = fopen(unit->path, "rb");
    free(unit->mark);
    unit->mark_size = fread(whole, 1, sizeof whole, file);
    fclose(file);
    unit->mark = malloc(unit->mark_size);
    memcpy(unit->mark, whole, unit->mark_size);
    unit->mark_documents = fnm_document_count(unit->fnm);
    unit->mark_unconfirmed = fnm_unconfirmed_count(unit->fnm);
}
void fn_unit_restore(struct fn_unit *unit)
{
    if (fnm_document_count(unit->fnm) == unit->mark_documents &&
        fnm_unconfirmed_count(unit->fnm) == unit->mark_unconfirmed) {
        fnm_power_cycle(unit->fnm);
        return;
    }
    fnm_close(unit->fnm);
    FILE *file = fopen(unit->path, "wb");
    fwrite(unit->mark, 1, unit->mark_size, file);
    fclose(file);
    open_store(unit);
}
uint32_t fn_unit_digest(const struct fn_unit *unit)
{
    return fnm_document_count(unit->fnm);
}

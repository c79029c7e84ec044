#include "tests/world/rare.h"

#include <string.h>

#include "proto/rare.h"
#include "tests/world/check.h"

static const char *const names[] = {
#define RARE_MARK(name) name,
#include "tests/world/rare_marks.def"
#undef RARE_MARK
};
const unsigned rare_marks = sizeof names / sizeof names[0];

static _Atomic uint64_t *shared;
static struct sim *owner;

/* proto/rare.h declares it only where it is used. */
bool rare_taken(const char *name);

const char *rare_name(unsigned mark)
{
    return names[mark];
}

void rare_count_in(_Atomic uint64_t *counts)
{
    shared = counts;
}

void rare_belongs_to(struct sim *sim)
{
    owner = sim;
}

bool rare_taken(const char *name)
{
    if (owner == NULL || !sim_once_in(owner, owner->rare_chance))
        return false;
    for (unsigned mark = 0; mark < rare_marks; mark++) {
        if (strcmp(names[mark], name) != 0)
            continue;
        if (shared != NULL)
            shared[mark]++;
        return true;
    }
    CHECK(false, "harness: a mark that rare_marks.def does not list: %s", name);
}

/* In the product no rare branch is taken, and the world knows every mark that stands in the
 * sources. */
#include "proto/rare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

_Static_assert(!RARE("a mark"), "false in the product, and known to the compiler");

static const char *const names[] = {
#define RARE_MARK(name) name,
#include "tests/world/rare_marks.def"
#undef RARE_MARK
};
#define NAMES (sizeof names / sizeof names[0])

static bool found[NAMES];

static void mark_found(const char *name)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (strcmp(names[i], name) == 0) {
            assert_false(found[i]); /* one mark, one place */
            found[i] = true;
            return;
        }
    }
    print_error("rare_marks.def does not list: %s\n", name);
    fail();
}

static void the_list_is_what_stands_in_the_sources(void **state)
{
    char line[256];
    (void)state;
    FILE *marks =
        popen("grep -rhoE 'RARE\\(\"[^\"]+\"\\)' --include='*.c' proto firmware hostdrv", "r");
    assert_non_null(marks);
    while (fgets(line, sizeof line, marks) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        line[strlen(line) - strlen("\")")] = '\0';
        mark_found(line + strlen("RARE(\""));
    }
    assert_int_equal(pclose(marks), 0);
    for (unsigned i = 0; i < NAMES; i++)
        if (!found[i])
            print_error("in rare_marks.def, but nowhere marked: %s\n", names[i]);
    for (unsigned i = 0; i < NAMES; i++)
        assert_true(found[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_what_stands_in_the_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

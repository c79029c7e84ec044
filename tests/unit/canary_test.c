/* In the product no canary sings: CANARY is false, and a constant expression, so that the compiler
 * leaves nothing of what it guards. */
#include "proto/canary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

_Static_assert(OPENKKT_CANARY == 0, "the product is built without a canary");
_Static_assert(!CANARY(NO_KEY_RECORD), "every rule is kept");
_Static_assert(!CANARY(TAIL_NOT_MENDED), "the last one as well");

static int compiles(const char *flags, const char *text)
{
    char command[512];
    snprintf(command, sizeof command,
             "printf '#include \"proto/canary.h\"\\n%s\\n' | cc -std=c11 -I. -Wall -Wextra -Werror "
             "%s -fsyntax-only -x c - >/dev/null 2>&1",
             text, flags);
    return system(command) == 0;
}

static void one_number_removes_one_rule(void **state)
{
    (void)state;
    assert_true(compiles("-DOPENKKT_CANARY=3",
                         "_Static_assert(CANARY(NO_INTENT) && !CANARY(NO_KEY_RECORD), \"\");"));
    assert_false(compiles("", "_Static_assert(CANARY(NO_INTENT), \"\");"));
}

static void a_misspelt_name_does_not_compile(void **state)
{
    (void)state;
    assert_false(compiles("", "int wrong(void);int wrong(void){return CANARY(NO_SUCH_RULE);}"));
    assert_true(compiles("", "int right(void);int right(void){return CANARY(NO_INTENT);}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_number_removes_one_rule),
        cmocka_unit_test(a_misspelt_name_does_not_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The public header compiles alone, in C and in C++, with warnings as errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int compiles(const char *compiler, const char *language, const char *before,
                    const char *after)
{
    char command[1024];
    snprintf(command, sizeof command,
             "printf '%s\\n#include \"hostdrv/kkt.h\"\\n%s\\n' | %s -x %s -I. -Wall -Wextra "
             "-Wconversion -Wshadow -Wpedantic -Werror -fsyntax-only - >/dev/null 2>&1",
             before, after, compiler, language);
    return system(command) == 0;
}

static const char use[] = "int use(kkt *device, kkt_status *out); "
                          "int use(kkt *device, kkt_status *out) "
                          "{ return kkt_get_status(device, out, 0) == KKT_OK; }";

static void alone_in_c(void **state)
{
    (void)state;
    assert_true(compiles("gcc", "c -std=c99", "", use));
    assert_true(compiles("gcc", "c -std=c11", "", use));
    assert_true(compiles("clang", "c -std=c11", "", use));
}

static void alone_in_cpp(void **state)
{
    (void)state;
    assert_true(compiles("g++", "c++ -std=c++11", "", use));
    assert_true(compiles("clang++", "c++ -std=c++17", "", use));
}

static void twice_does_no_harm(void **state)
{
    (void)state;
    assert_true(compiles("gcc", "c -std=c11", "#include \"hostdrv/kkt.h\"", use));
}

/* The way of asking must be able to say no. */
static void a_fault_would_be_seen(void **state)
{
    (void)state;
    assert_false(
        compiles("gcc", "c -std=c11", "", "int wrong(kkt_status *s) { return s->nothing; }"));
    assert_false(compiles("g++", "c++ -std=c++11", "#define kkt_error 5", use));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_in_c),
        cmocka_unit_test(alone_in_cpp),
        cmocka_unit_test(twice_does_no_harm),
        cmocka_unit_test(a_fault_would_be_seen),
    };
    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}

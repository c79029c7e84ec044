/* What `kkt doctor` reads off a computer, on a made-up one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/kkt/doctor_system.h"

static char root[] = "/tmp/kkt-doctor-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/kkt-doctor-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command); /* NOLINT(cert-env33-c): a folder of our own making */
}

/* The folders above it too. */
static void put(const char *path, const char *text)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = strchr(whole + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void rules_are_looked_for_where_udev_looks(void **state)
{
    static const char *const folders[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};
    (void)state;
    assert_false(doctor_has_rule(root));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[128], whole[256];
        snprintf(path, sizeof path, "%s/udev/rules.d/" DOCTOR_RULE, folders[i]);
        put(path, "");
        assert_true(doctor_has_rule(root));
        snprintf(whole, sizeof whole, "%s%s", root, path);
        assert_int_equal(unlink(whole), 0);
        assert_false(doctor_has_rule(root));
    }
}

static void modules_are_loaded_or_built_in(void **state)
{
    (void)state;
    assert_false(doctor_has_usb(root));
    assert_false(doctor_has_module(root, "cdc_acm"));
    put("/sys/bus/usb/drivers/cdc_acm/bind", "");
    assert_true(doctor_has_module(root, "cdc_acm"));
    assert_false(doctor_has_module(root, "vhci_hcd"));
    put("/sys/module/vhci_hcd/refcnt", "");
    assert_true(doctor_has_module(root, "vhci_hcd"));
    put("/sys/bus/usb/devices/usb1/speed", "");
    assert_true(doctor_has_usb(root));
}

static void processes_are_found_by_name_and_by_what_they_hold(void **state)
{
    char whole[256], text[64];
    int number;
    (void)state;
    assert_false(doctor_runs(root, "ModemManager", &number));
    put("/proc/self/comm", "ModemManager\n"); /* no number: no process */
    put("/proc/77/comm", "cron\n");
    assert_false(doctor_runs(root, "ModemManager", &number));
    put("/proc/123/comm", "ModemManager\n");
    assert_true(doctor_runs(root, "ModemManager", &number));
    assert_int_equal(number, 123);
    assert_false(doctor_holder(root, "/dev/bus/usb/", text, sizeof text));
    put("/proc/123/fd/0", "no link");
    snprintf(whole, sizeof whole, "%s/proc/123/fd/5", root);
    assert_int_equal(symlink("/dev/bus/usb/001/004", whole), 0);
    assert_true(doctor_holder(root, "/dev/bus/usb/", text, sizeof text));
    assert_string_equal(text, "ModemManager (123)");
    assert_false(doctor_holder(root, "/dev/ttyACM", text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_are_looked_for_where_udev_looks, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(modules_are_loaded_or_built_in, make_root, remove_root),
        cmocka_unit_test_setup_teardown(processes_are_found_by_name_and_by_what_they_hold,
                                        make_root, remove_root),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}

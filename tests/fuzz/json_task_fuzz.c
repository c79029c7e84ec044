/* The reader of JSON tasks on any text. A list that was read has as many faults as it says; a good
 * job's body is well-formed TLV that passes the dictionary, a good receipt's also the rules; the
 * same text gives the same bytes twice. */
#include "proto/tag_check.h"
#include "tests/fuzz/fuzz.h"
#include "tools/kkt/task.h"

#ifdef FUZZ_CANARY
/* Now and then a number of one byte is another one. */
void __real_tlv_put_u8(struct byte_writer *writer, uint16_t tag, uint8_t value);
void __wrap_tlv_put_u8(struct byte_writer *writer, uint16_t tag, uint8_t value);
void __wrap_tlv_put_u8(struct byte_writer *writer, uint16_t tag, uint8_t value)
{
    static unsigned calls;
    __real_tlv_put_u8(writer, tag, (uint8_t)(value ^ (++calls % 1000 == 0)));
}
#endif

static void check_task(const struct task *task, const struct task *again)
{
    struct refusal why;
    PROMISE(task->size == again->size);
    PROMISE(task->size == 0 || memcmp(task->body, again->body, task->size) == 0);
    PROMISE(strlen(task->type) < sizeof task->type && strlen(task->key) < sizeof task->key);
    if (task->error.code != 0 || task->info->job == 0)
        return;
    PROMISE(tlv_check_dictionary(task->body, task->size, &why));
    if (task->info->type == TASK_SELL || task->info->type == TASK_SELL_RETURN) {
        struct receipt_rules rules = {0};
        struct receipt_summary summary;
        PROMISE(receipt_check(task->body, task->size, &rules, &summary, &why));
        PROMISE(summary.items == task->position_count);
        PROMISE(summary.total_kop == task->summary.total_kop);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned flags = input_number(&input, 1);
    struct task_environment environment = {
        .ffd = flags % 5, .tax_systems = flags / 8 % 2, .judging = flags / 16 % 2 == 1};
    struct task_list list, again;
    struct task_sums sums = {0};
    kkt_error error;
    char *text = (char *)input_copy(input);
    int code = task_list_read(text, input.size, &environment, &list, &error);
    PROMISE(task_list_read(text, input.size, &environment, &again, &error) == code);
    if (code == KKT_OK) {
        size_t faults = 0;
        PROMISE(again.count == list.count);
        for (size_t i = 0; i < list.count; i++) {
            faults += list.tasks[i].error.code != 0;
            check_task(&list.tasks[i], &again.tasks[i]);
        }
        PROMISE(faults == list.faults);
        task_sums_add(&sums, &list);
        json_object_put(task_list_check_json(&list));
        json_object_put(task_sums_json(&sums));
        task_list_free(&list);
        task_list_free(&again);
    } else {
        PROMISE(error.code == code);
    }
    free(text);
    return 0;
}

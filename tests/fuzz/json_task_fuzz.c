/* The reader of JSON tasks on any text. A list that was read has as many faults as it says; a good
 * job's body is well-formed TLV that passes the dictionary, a good receipt's also the rules; the
 * same text gives the same bytes twice. */
#include "proto/tag_check.h"
#include "tests/fuzz/mutate.h"
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

/* ---- Mutations that leave JSON of it ---- */

static struct json_object *any_value(void)
{
    static const char *const texts[] = {"",
                                        "vat22",
                                        "cash",
                                        "osn",
                                        "piece",
                                        "Сыр «Российский» № 1 ₽",
                                        "+79990000000",
                                        "2026-11-26T10:00:00+03:00",
                                        "\x01"};
    static const char *const numbers[] = {"0",     "1.10", "0.005",           "-1",  "1e2",
                                          "0.453", "1000", "99999999999.999", "1.0", "255"};
    switch (mutate_random(6)) {
    case 0:
        return json_object_new_boolean(mutate_random(2) == 0);
    case 1:
        return json_object_new_string(texts[mutate_random(sizeof texts / sizeof texts[0])]);
    case 2:
        return json_object_new_int((int)mutate_random(3000));
    case 3:
        return mutate_random(2) == 0 ? json_object_new_array() : json_object_new_object();
    case 4:
        return NULL;
    default:
        return json_object_new_double_s(1,
                                        numbers[mutate_random(sizeof numbers / sizeof numbers[0])]);
    }
}

static void change_object(struct json_object *object)
{
    unsigned count = (unsigned)json_object_object_length(object), at = 0;
    if (count == 0)
        return;
    unsigned chosen = mutate_random(count);
    json_object_object_foreach (object, name, value) {
        if (at++ != chosen)
            continue;
        switch (mutate_random(4)) {
        case 0:
            json_object_object_del(object, name);
            break;
        case 1:
            json_object_object_add(object, "another", json_object_get(value));
            break;
        default:
            json_object_object_add(object, name, any_value());
        }
        return;
    }
}

/* Goes down at random and changes one thing. */
static void change(struct json_object *object)
{
    for (unsigned depth = 0; depth < 6; depth++) {
        if (json_object_is_type(object, json_type_array)) {
            size_t count = json_object_array_length(object);
            if (count == 0 || mutate_random(8) == 0) {
                json_object_array_add(object, any_value());
                return;
            }
            size_t at = mutate_random((uint32_t)count);
            struct json_object *element = json_object_array_get_idx(object, at);
            if (mutate_random(8) == 0) {
                json_object_array_add(object, json_object_get(element));
                return;
            }
            object = element;
            continue;
        }
        if (!json_object_is_type(object, json_type_object))
            return;
        struct json_object *inner = NULL;
        unsigned seen = 0;
        json_object_object_foreach (object, name, value) {
            (void)name;
            bool holds = json_object_is_type(value, json_type_object) ||
                         json_object_is_type(value, json_type_array);
            if (holds && mutate_random(++seen) == 0)
                inner = value;
        }
        if (inner == NULL || mutate_random(3) == 0) {
            change_object(object);
            return;
        }
        object = inner;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    if (size < 2 || mutate_random(3) == 0)
        return LLVMFuzzerMutate(data, size, capacity);
    char *text = malloc(size);
    PROMISE(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    struct json_object *object = json_tokener_parse(text);
    free(text);
    if (object == NULL)
        return LLVMFuzzerMutate(data, size, capacity);
    change(object);
    size_t length = 0;
    const char *made = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &length);
    if (length + 1 <= capacity) {
        memcpy(data + 1, made, length);
        size = length + 1;
    }
    json_object_put(object);
    return size;
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

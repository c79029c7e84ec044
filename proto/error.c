#include "proto/error.h"

#include <stddef.h>

#define ENTRY(name, text, cure)                                                                    \
    {                                                                                              \
        ERROR_##name, ERROR_GROUP_OF(ERROR_##name), #name, text, cure                              \
    }
#define ERROR_GROUP_OF(code) ((code) == ERROR_NONE ? ERROR_GROUP_NONE : (uint8_t)((code) / 100))

static const struct error_info errors[] = {
    ENTRY(NONE, "done", "nothing to do"),

    ENTRY(REQUEST_MALFORMED, "the request cannot be parsed",
          "a program error: send the bytes of the request with the report; do not repeat it "
          "unchanged"),
    ENTRY(REQUEST_UNKNOWN, "the board does not know this kind of request",
          "update the board's firmware, or use a driver of the same release"),
    ENTRY(VERSION_UNSUPPORTED, "the other side uses a newer format version",
          "update the older of driver and firmware"),
    ENTRY(JSON_MALFORMED, "the task is not valid JSON",
          "correct the text at the stated place; JSON wants UTF-8, double quotes and no comma "
          "after the last member"),
    ENTRY(FIELD_UNKNOWN, "a field or tag is not known",
          "remove it or correct its spelling; the list of fields is in the manual"),
    ENTRY(FIELD_MISSING, "a mandatory field or tag is missing", "add the named field"),
    ENTRY(FIELD_TYPE, "a field holds the wrong kind of value",
          "give the kind of value the manual names for this field"),
    ENTRY(FIELD_VALUE, "a value is out of range or not in the list", "choose a permitted value"),
    ENTRY(FIELD_LENGTH, "a text is too long, or a value has a wrong length",
          "shorten the text to the stated number of bytes (one byte a character in CP866)"),
    ENTRY(FIELD_REPEATED, "a field that may stand once stands twice", "keep one of them"),
    ENTRY(FIELD_NOT_ALLOWED, "this field may not stand here",
          "remove it: it belongs elsewhere, to another format version, or is formed by the fiscal "
          "module itself"),
    ENTRY(AMOUNT_PRECISION, "an amount has more than two decimals",
          "round it to kopecks before sending"),
    ENTRY(ITEM_SUM, "the sum of an item is not price times quantity",
          "state the expected sum, or a price that includes the discount"),
    ENTRY(TOTAL_SUM, "the total does not agree with the items",
          "state the sum of the items, or the same without its kopecks, or leave the total out"),
    ENTRY(PAYMENT_SHORT, "the payments are less than the total",
          "add the stated amount to a payment"),
    ENTRY(PAYMENT_EXCESS, "the payments are more than the total",
          "lower a payment by the stated amount; only cash gives change, and only through the cash "
          "tendered"),
    ENTRY(VAT_SUM, "the stated VAT does not agree with the items",
          "state the expected sum, or leave the VAT totals out and they are computed"),
    ENTRY(INN, "the taxpayer number has a wrong check digit",
          "copy the 10 or 12 digits again from the tax certificate"),
    ENTRY(TAX_SYSTEM, "the tax system is not registered, or is not exactly one",
          "use one of the systems the register is registered for, or change the registration"),
    ENTRY(VAT_RATE, "the VAT rate is not known", "use a rate code from 1 to 12"),
    ENTRY(NO_ITEMS, "the receipt has no items", "add at least one item"),
    ENTRY(TOO_LARGE, "the receipt or an item is larger than the fiscal module or this board takes",
          "shorten texts, or split it into several receipts"),
    ENTRY(KEY_CONFLICT, "this key was already used for another job",
          "give the new job a key of its own; ask for the result of the old one by the key"),
    ENTRY(NOT_FOUND, "there is no such document, key or setting",
          "check the number or key; a job that was never accepted has no result"),
    ENTRY(TASK_UNSUPPORTED, "this type of task is not supported",
          "use one of the task types the manual lists"),
    ENTRY(RNM, "the registration number fails its check",
          "copy the 16 digits again from the tax office's card; check the taxpayer number and the "
          "factory number too"),
    ENTRY(TEXT_ENCODING, "a text is not valid UTF-8 or holds a control character",
          "send UTF-8 without control characters"),
    ENTRY(CONTACT, "the buyer's phone or e-mail is missing or malformed",
          "give +digits or name@host, at most 64 characters; an electronic receipt needs one"),
    ENTRY(CREDIT_PAYMENT_ALONE, "payment of a credit must be the only item",
          "punch it as a receipt of its own"),
    ENTRY(CASHIER_MISSING, "no cashier is known",
          "name the cashier in the receipt or when the shift is opened"),
    ENTRY(UPDATE_IMAGE, "this is no firmware, or it is damaged or cut short",
          "get the firmware file again; nothing was changed, the present firmware goes on"),
    ENTRY(UPDATE_BOARD, "the firmware was made for another board",
          "take the file for the board that kkt firmware status names"),
    ENTRY(UPDATE_VERSION, "the firmware is not newer than what runs",
          "take a newer file; going back to an older firmware is not possible over the link"),
    ENTRY(UPDATE_SIGNATURE, "the firmware is not signed by the maker of this board",
          "take the file from the maker; the present firmware goes on"),
    ENTRY(UPDATE_ORDER, "a piece of the firmware came out of turn",
          "begin the update anew; the present firmware goes on"),
    ENTRY(UPDATE_UNSUPPORTED, "the firmware of this board is not replaced over the link",
          "kkt-board is a program of its package; others as their maker says"),
    ENTRY(UPDATE_TRIAL, "the running firmware is new and has not proved itself yet",
          "wait until kkt firmware status says confirmed, then send the next one"),

    ENTRY(SHIFT_CLOSED, "the shift is closed", "open the shift"),
    ENTRY(SHIFT_OPEN, "the shift is open", "close the shift first"),
    ENTRY(SHIFT_EXPIRED, "the shift is older than 24 hours",
          "close the shift, open a new one and repeat"),
    ENTRY(CASH_SHORT, "there is not enough cash in the drawer",
          "pay cash in, or lower the sum to what the drawer holds"),
    ENTRY(PAPER_OUT, "the paper has run out", "put in a new roll; printing goes on by itself"),
    ENTRY(COVER_OPEN, "the printer's cover is open", "close the cover; printing goes on by itself"),
    ENTRY(PRINTER, "the printer does not work: head too hot, cutter jammed or no answer",
          "let it cool, clear the cutter, check its cable and power; printing goes on by itself"),
    ENTRY(DRAWER_STUCK, "the drawer did not open",
          "open it with the key and check the lock and its cable; the documents are not affected"),
    ENTRY(CLOCK, "the board's clock is unset or does not agree with the last document",
          "set the date and time, then repeat; refused again, switch the register off and on"),
    ENTRY(CANCELLED, "the job was cancelled before it was started",
          "send it again with a new key if it is still wanted"),
    ENTRY(DRAWER_OPEN, "the drawer is open", "close the drawer"),

    ENTRY(
        LINK_LOST, "the register cannot be reached",
        "check cable and power; the job stays in the queue and is sent when the register is back"),
    ENTRY(LINK_BUSY, "another program holds the register",
          "stop the other program, or send the jobs through it"),
    ENTRY(
        OFD_OVERDUE, "no operator confirmation for 30 days, so the fiscal module is blocked",
        "restore the connection to the operator; the block ends when the documents are confirmed"),
    ENTRY(OFD_NO_ANSWER, "the operator did not answer in time",
          "nothing now: the board repeats; if it lasts a day, ask the operator"),
    ENTRY(OFD_REJECTED, "the fiscal module rejected the operator's answer",
          "check that the operator's address is the one of the contract; if it is, call the "
          "operator"),
    ENTRY(OFD_UNREACHABLE, "the operator's server cannot be reached",
          "check the internet connection, the operator's address and port, and the firewall"),
    ENTRY(DEVICE_URI, "the device address cannot be understood",
          "use tcp:HOST:PORT, serial:PATH?baud=N or usb:SERIAL"),
    ENTRY(OTHER_DEVICE, "another register answers at this address",
          "connect the register the job was made for, or make the job anew for this one"),
    ENTRY(OFD_TLS, "the operator's certificate is not trusted or the TLS handshake failed",
          "check the certificate in the settings and the board's date"),
    ENTRY(PERMISSION, "the operating system forbids opening the device",
          "give the user access to it (on Debian: the group dialout, or the udev rule of the "
          "package)"),

    ENTRY(NOT_REGISTERED, "the register is not registered with the tax office",
          "carry out the registration"),
    ENTRY(ALREADY_REGISTERED, "the register is already registered",
          "change the registration instead, or replace the fiscal module"),
    ENTRY(FN_EXPIRED, "the keys of the fiscal module have expired",
          "close the fiscal module and put in a new one"),
    ENTRY(FN_FULL, "the memory of the fiscal module is full",
          "send the waiting documents to the operator; if none wait, replace the module"),
    ENTRY(FN_SILENT, "the fiscal module does not answer",
          "switch the register off, check the module's seat and cable, switch on; if it stays "
          "silent, replace the module"),
    ENTRY(FN_FAULT, "the fiscal module is faulty",
          "switch the register off and on; if it repeats, replace the module"),
    ENTRY(FN_STATE, "the fiscal module does not allow this in its present state",
          "look at the module's phase in the status; what it forbids there can only be done in "
          "another phase"),
    ENTRY(FN_REFUSED, "the fiscal module refused the document",
          "look up the stated answer code in the module's protocol and correct the named tag"),
    ENTRY(FN_FOREIGN, "the fiscal module is not the one this register worked with",
          "put the former module back, or register the register anew with this one"),
    ENTRY(JOURNAL_FULL, "the board's journal is full",
          "let the printer and the operator catch up; if it stays full, call service"),
    ENTRY(JOURNAL_FAULT, "the board's flash does not hold what was written",
          "replace the board; the documents are safe in the fiscal module"),
    ENTRY(FFD_UNSUPPORTED, "this document format version is not supported",
          "register for FFD 1.05 or 1.2"),
    ENTRY(QUEUE_STORE, "the driver's database cannot be read or written",
          "check free space and rights of the queue file; do not delete it while it holds jobs"),
    ENTRY(FN_ARCHIVE, "the text of the document is no longer in the fiscal module",
          "ask the operator for the document"),
    ENTRY(UPDATE_FLASH, "the flash for the new firmware does not hold what was written",
          "try once more; if it stays so, replace the board: the present firmware goes on"),
    ENTRY(UPDATE_ROLLED_BACK, "the new firmware did not prove itself: the former one runs again",
          "see that the fiscal module answers and try once more; if it stays so, ask the maker"),

    ENTRY(INTERNAL, "an error of this program",
          "repeat with the same key; if it comes again, report it with the log"),

    ENTRY(OUTCOME_UNKNOWN, "it is not known whether the job was done",
          "send the same key again: a job that was done is not done twice"),
    ENTRY(IN_PROGRESS, "the job is being worked on", "ask for the result with the same key"),
    ENTRY(BUSY, "another job is being worked on", "wait a moment and send the same key again"),
};

/* The hundreds of a code are its group: if one enum changes, so must the other. */
_Static_assert(ERROR_GROUP_OF(ERROR_FIELD_MISSING) == ERROR_GROUP_CALLER, "100-199");
_Static_assert(ERROR_GROUP_OF(ERROR_SHIFT_CLOSED) == ERROR_GROUP_TILL, "200-299");
_Static_assert(ERROR_GROUP_OF(ERROR_LINK_LOST) == ERROR_GROUP_NETWORK, "300-399");
_Static_assert(ERROR_GROUP_OF(ERROR_NOT_REGISTERED) == ERROR_GROUP_SERVICE, "400-499");
_Static_assert(ERROR_GROUP_OF(ERROR_INTERNAL) == ERROR_GROUP_US, "500-599");
_Static_assert(ERROR_GROUP_OF(ERROR_OUTCOME_UNKNOWN) == ERROR_GROUP_UNKNOWN, "600-699");

const struct error_info *error_info_find(uint16_t code)
{
    const struct error_info *unknown = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].code == code)
            return &errors[i];
        if (errors[i].code == ERROR_INTERNAL)
            unknown = &errors[i];
    }
    return unknown;
}

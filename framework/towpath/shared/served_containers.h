#pragma once
#include "towpath/shared/referent.h"

// The containers that a manager serves. They hold values as their clients encoded them, so a
// client of any program can use them, of any type.

namespace towpath::managed {

const ObjectType& dict_type();   // of DictProxy and NamespaceProxy; in the order of insertion
const ObjectType& set_type();    // of SetProxy; in the order of insertion
const ObjectType& list_type();   // of ListProxy and ArrayProxy
const ObjectType& value_type();  // of ValueProxy
const ObjectType& queue_type();  // of QueueProxy

}  // namespace towpath::managed

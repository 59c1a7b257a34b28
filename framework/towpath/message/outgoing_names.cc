#include "towpath/message/outgoing_names.h"

namespace towpath {
namespace {

thread_local OutgoingNames* outgoing = nullptr;

}  // namespace

OutgoingNames::OutgoingNames() : outer_(std::exchange(outgoing, this)) {}
OutgoingNames::~OutgoingNames() { outgoing = outer_; }
OutgoingNames* OutgoingNames::current() { return outgoing; }

}  // namespace towpath

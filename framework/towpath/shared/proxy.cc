#include "towpath/shared/proxy.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

Proxy::Proxy(std::shared_ptr<managed::Reference> reference, std::string_view type)
    : reference_(std::move(reference)), type_(type) {}

void Proxy::send(Encoder& out) const {
  if (!managed::OutgoingReferences::note(out, reference_->where().instance, id()))
    client()->keep_for_transit(id());
  encode(out, managed::name_of(reference_->where(), id(), type_));
}

std::shared_ptr<managed::Reference> Proxy::received(Decoder& in, std::string_view type) {
  const auto name = decode<managed::ObjectName>(in);
  if (!type.empty() && name.type != type) {
    throw Invalid(format("a proxy of a {} was sent where one of a {} is received",
                         name.type.empty() ? "user's type" : name.type, type));
  }
  return managed::ManagerClient::of(managed::where_of(name))->take(name.object);
}

}  // namespace towpath

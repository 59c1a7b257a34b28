#include "towpath/shared/manager_protocol.h"

#include "towpath/base/program_key.h"
#include "towpath/channel/shared_key.h"

namespace towpath::managed {

ObjectName name_of(const Where& where, uint64_t object, std::string_view type) {
  ObjectName name{where.address, where.plain_tcp,  where.transport, where.instance, {},
                  object,        std::string(type)};
  if (!where.key.empty()) name.sealed_key = seal(program_key().bytes(), where.key);
  return name;
}

Where where_of(const ObjectName& name) {
  return {name.address, unseal(program_key().bytes(), name.sealed_key).value_or(""), name.plain_tcp,
          name.transport, name.instance};
}

}  // namespace towpath::managed

#include "towpath/shared/manager_protocol.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
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

namespace towpath {

void Codec<managed::Hello>::write(Encoder& out, const managed::Hello& hello) {
  out.array(5);
  encode(out, hello.version);
  encode(out, hello.client);
  encode(out, hello.instance);
  encode(out, hello.lease);
  encode(out, hello.program);
}

managed::Hello Codec<managed::Hello>::read(Decoder& in) {
  managed::Hello hello;
  const size_t values = in.array();
  if (values == 0) throw Invalid("a greeting without a version");
  hello.version = decode<int64_t>(in);
  if (hello.version != managed::kVersion) {
    for (size_t left = values - 1; left > 0; --left) in.skip();
    return hello;
  }
  if (values != 5) throw Invalid(format("a greeting of {} values, which should be 5", values));
  hello.client = decode<uint64_t>(in);
  hello.instance = decode<uint64_t>(in);
  hello.lease = decode<bool>(in);
  hello.program = decode<std::string>(in);
  return hello;
}

}  // namespace towpath

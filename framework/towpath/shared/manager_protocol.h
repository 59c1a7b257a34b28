#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "towpath/channel/connection.h"
#include "towpath/message/codec.h"
#include "towpath/process/code_address.h"

// What a manager's server and its clients say to each other, over any Connection:
//
//   client ── Hello ──────▶ server
//   client ◀── Welcome ──── server     or kThrew, and the server hangs up
//   client ── request ────▶ server     [object, method, [arguments...], held], one at a time
//   client ◀── reply ────── server     [kind, result or RemoteTrace]
//   client ── taken ──────▶ server     behind kReturnedIfTaken: true, or what was given goes back
//
// Each process has one connection that is its lease: when that ends, the server gives back what the
// process referred to and held. Calls go over others, of which it opens as many as it has calls at
// a time: so a call that waits holds up nobody. Over the lease go short ones to object 0, the
// manager itself; "drop" has no reply: a destructor waits for nothing.

namespace towpath::managed {

inline constexpr int64_t kVersion = 2;
inline constexpr uint64_t kManager = 0;  // the object that is the manager itself

// How to reach a server.
struct Where {
  std::string address;
  std::string key;
  bool plain_tcp = false;
  Transport transport = Transport::kAuto;
  uint64_t instance = 0;  // of the server, by chance
  TOWPATH_FIELDS(address, key, plain_tcp, transport, instance)
};

// A proxy as it travels. Of a key only processes of this program make something: it is sealed by
// the program's own. Others use the one by which they have connected.
struct ObjectName {
  std::string address;
  bool plain_tcp = false;
  Transport transport = Transport::kAuto;
  uint64_t instance = 0;
  std::string sealed_key;
  uint64_t object = 0;
  std::string type;
  TOWPATH_FIELDS(address, plain_tcp, transport, instance, sealed_key, object, type)
};
ObjectName name_of(const Where& where, uint64_t object, std::string_view type);
// The key is empty if this program can't tell.
Where where_of(const ObjectName& name);

struct Hello {
  int64_t version = kVersion;
  uint64_t client = 0;    // of the process, by chance
  uint64_t instance = 0;  // of the server that it means; 0: any
  bool lease = false;
  std::string program{};  // program_stamp(): who runs another gets traces as text
};

struct Welcome {
  uint64_t instance = 0;
  std::string name;
  int64_t pid = 0;
  uint64_t max_message = 0;  // larger requests cut the client off
  TOWPATH_FIELDS(instance, name, pid, max_message)
};

enum class Reply : uint8_t { kReturned, kThrew, kReturnedIfTaken };
constexpr Reply last_of(Reply) { return Reply::kReturnedIfTaken; }

// A proxy among the arguments: where in the message it begins, and what it refers to.
struct Held {
  uint64_t at = 0;
  uint64_t object = 0;
  TOWPATH_FIELDS(at, object)
};

// A function that the server is to run: see remote_update.h.
struct RemoteFunction {
  CodeAddress function;
  CodeAddress thunk;
  TOWPATH_FIELDS(function, thunk)
};

// The type that is thrown at the client for a method that is not exposed: it arrives as a
// RemoteError, as in Python.
inline constexpr const char* kNotExposed = "towpath::NotExposed";

}  // namespace towpath::managed

namespace towpath {

// An array that begins with the version, in every version. Of another one the rest is passed over:
// the reader is to compare first.
template <>
struct Codec<managed::Hello> {
  static void write(Encoder& out, const managed::Hello& hello);
  static managed::Hello read(Decoder& in);
};

}  // namespace towpath

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace towpath {

// What a process (a client) and the hub say to each other about queues. A message is a row of
// records, coalesced by load; one from the hub begins with how many of the client's messages it has
// dealt with.
//
// Records name a queue by the client's own number for it, which kJoin introduces. The meaning of
// each is in queue_broker.h, under the same name.
enum class HubOp : uint32_t {
  // From a client.
  kHello,         // number: its Holder. The first record of all
  kJoin,          // body: the queue's handle; number: maxsize; other: joinable
  kPart,          //
  kAskRoom,       // number, token
  kRoomReturned,  // number
  kPut,           // number of items; body: they
  kWant,          // number; other: threads that wait; token
  kGot,           // number
  kReturned,      // number
  kDone,          // number
  kDoneAny,       // token
  kAskStatus,     // token; number: what to tell
  kShutDown,      //
  kBye,           // it ends well, and says no more
  // From the hub.
  kItems,          // number of items; other: number of the first; body: they
  kNothing,        // token; number: size; 1 in `flag` when shut
  kRoom,           // token; number
  kStatus,         // token; number: size; other: unfinished; 1 in `flag` when shut
  kFinished,       // token; number: 1 when one was
  kGiveBackItems,  //
  kGiveBackRoom,   //
  kShut,           //
  kPause,          // number: 1, or 0 to go on
  kRefused,        // body: why; nothing more is heard or said
};

struct HubRecord {
  HubOp op{};
  uint32_t queue = 0;
  uint64_t token = 0;
  uint64_t number = 0;
  uint64_t other = 0;
  uint32_t flag = 0;
  uint32_t size = 0;  // of the body, which follows
};
static_assert(sizeof(HubRecord) == 40);

void append_record(std::string& message, HubRecord record, std::string_view body = {});

// Reads a message's records one after another. Invalid: it is cut short.
class HubRecords {
 public:
  explicit HubRecords(std::string_view message) : rest_(message) {}
  uint64_t number();  // that a message begins with
  struct Read {
    HubRecord record;
    std::string_view body;
  };
  std::optional<Read> next();

 private:
  std::string_view rest_;
};

// The largest item that travels so, with all that is around it in a message.
inline constexpr uint64_t kMaxHubItem = uint64_t{250} << 20;

}  // namespace towpath

#pragma once
#include <cstdint>
#include <deque>
#include <map>

#include "towpath/channel/item_run.h"

namespace towpath {

// What stands between the putters and the getters of one queue over ZeroMQ: holds the items, knows
// who has which of them, and takes back what the dead had. A state machine: no socket, no clock, no
// process. It never looks into an item.
//
//   an item is   ready ──items()──▶ sent to a peer ──got()──▶ gone
//                  ▲                    │                └──▶ held (joinable) ──done()──▶ gone
//                  ├──── returned() ────┘                       │
//                  └──── leave(): the peer has ended ───────────┘      in order, before what
//                  follows
//
// Credit     a peer is sent items only as it wants them: as many, and kAhead bytes besides the
//            first. What it has and has not got is asked back when another waits for an item, or
//            when it gets nothing while others do: no item stays behind.
// Room       of a queue with maxsize: a peer puts what it was given room for. Room that it has and
//            has not used is asked back when another waits for room. So items and room together
//            never pass maxsize, but for items that come back from the dead.
// Peers      a number each; any peer may put and get. What a peer says after leave() is not for
//            here.
// Memory     of a peer that keeps to nothing: what it puts kMaxBehindPause bytes after it was told
//            to pause is Invalid, and so is what it asks when kMaxQuestions of it wait for answers.
// Errors     Invalid: a peer says what no peer says. It is as if it had not.
class QueueBroker {
 public:
  using Peer = uint64_t;
  using Token = uint64_t;  // of a question, for its answer; 0: none

  struct Options {
    uint64_t maxsize = 0;
    bool joinable = false;
    uint64_t max_bytes = uint64_t{1} << 30;  // of all items: putters pause there
  };
  static constexpr uint64_t kAhead = uint64_t{1} << 20;
  // More than a client can have on its way when it hears of the pause: see HubClient.
  static constexpr uint64_t kMaxBehindPause = uint64_t{256} << 20;
  static constexpr uint64_t kMaxQuestions = 65'536;  // of one peer; each is a thread that waits

  struct Status {
    uint64_t size = 0;        // items that nobody got
    uint64_t unfinished = 0;  // of a joinable queue: items that are not done
    bool shut = false;
  };

  // What it says to peers.
  class Port {
   public:
    virtual ~Port() = default;
    virtual void items(Peer to, const ItemRun& run) = 0;
    // To a want with a token, or any after shut_down(): there is nothing.
    virtual void nothing(Peer to, Token token, const Status& status) = 0;
    virtual void room(Peer to, uint64_t count, Token token) = 0;
    // Token 0: what it asked to be told has come true.
    virtual void status(Peer to, Token token, const Status& status) = 0;
    virtual void finished(Peer to, Token token, bool one_was) = 0;
    virtual void give_back_items(Peer to) = 0;  // answered by returned()
    virtual void give_back_room(Peer to) = 0;   // answered by room_returned()
    virtual void shut(Peer to) = 0;
    virtual void pause(Peer to, bool paused) = 0;
  };

  QueueBroker(const Options& options, Port& port) : options_(options), port_(port) {}

  // ── What peers say ──

  void join(Peer peer);
  // It uses the queue no more, but is there: what it holds it may be done with yet.
  void part(Peer peer);
  // It has ended, in any way.
  void leave(Peer peer);

  // Room for so many; those given with a token come at once, perhaps none.
  void ask_room(Peer peer, uint64_t count, Token token);
  void room_returned(Peer peer, uint64_t count);
  void put(Peer peer, ItemRun run);

  // From now on it wants so many more; `waiting` of its threads do nothing else than wait for them.
  // With a token it wants what there is now.
  void want(Peer peer, uint64_t count, uint64_t waiting, Token token);
  void got(Peer peer, uint64_t count);
  // The last so many of what it was sent; the answer to give_back_items().
  void returned(Peer peer, uint64_t count);

  void done(Peer peer, uint64_t number);
  void done_any(Peer peer, Token token);

  enum Tell : uint64_t { kWhenSomething = 1, kWhenFinished = 2 };
  // And it is told once, when it is not so now. A Tell is a bit.
  void ask_status(Peer peer, Token token, uint64_t tell);
  void shut_down();

  // Serves who waits: behind any of the above, or behind several.
  void settle();

  bool has_peers() const { return present_ > 0; }
  Status status() const;

 private:
  struct Party {
    bool present = true;
    // As a putter.
    uint64_t room = 0;
    bool room_asked_back = false;
    bool room_kept = false;     // it was asked, and its threads are about to use what it kept
    uint64_t rooms_asked = 0;   // places in room_line_
    uint64_t behind_pause = 0;  // bytes
    // As a getter.
    uint64_t wants = 0;
    uint64_t waiting = 0;
    uint64_t promised = 0;  // of what it was sent, for threads that wait
    bool asked_back = false;
    bool is_idle = false;  // it got nothing since another was last sent something
    std::deque<Token> now;
    ItemRuns sent;
    std::map<uint64_t, ItemRun> held;
    uint64_t tell = 0;
  };
  struct RoomAsked {
    Peer peer;
    uint64_t count;
    Token token;
  };

  Party& party(Peer peer);
  void take_back(Party& party);
  void forget_if_idle(Peer peer);
  void tell();
  void serve(bool waiting);
  void send(Peer peer, Party& party, uint64_t most);
  void ask_items_back();
  void ask_idle_back();
  void answer_empty();
  void serve_room();
  void ask_room_back(Peer except);
  void check_memory();
  bool finish(Party& party, uint64_t number);
  uint64_t free_room() const;

  const Options options_;
  Port& port_;
  std::map<Peer, Party> parties_;
  std::deque<Peer> line_;  // of getters, who came first
  std::deque<RoomAsked> room_line_;
  ItemRuns ready_;
  uint64_t present_ = 0;
  uint64_t puts_ = 0;
  uint64_t size_ = 0;
  uint64_t unfinished_ = 0;
  uint64_t bytes_ = 0;
  uint64_t room_given_ = 0;  // and not used
  uint64_t asked_back_ = 0;  // peers that have not answered
  uint64_t room_asked_back_ = 0;
  std::deque<Peer> served_;  // since the last settle()
  bool shut_ = false;
  bool paused_ = false;
};

}  // namespace towpath

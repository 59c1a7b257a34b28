#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/shared/ending_thread.h"
#include "towpath/shared/referent.h"

namespace towpath::managed {

// The objects of a manager, and who refers to them. An object lives as long as something does:
//
//   a client     by its proxies, counted, until its lease ends
//   a value      that is stored in another object and has a proxy in it
//   a name       under which it was published
//   a proxy      that is on its way, for the time given
//   a call       that runs
//
// Whoever lets go of one last does not wait for its end, which is in another thread.
// Threads    any.
class ObjectTable {
 public:
  explicit ObjectTable(Millis transit) : transit_(transit) {}

  // A process comes, with each of its connections, and goes with its lease: what it refers to and
  // holds is given back.
  std::shared_ptr<ClientProcess> enter(uint64_t client);
  // Closed: it has left.
  std::shared_ptr<ClientProcess> find_client(uint64_t client);
  void leave(const ClientProcess& client);

  // A new object gets its number. It ends with the last copy of what is returned.
  std::shared_ptr<Referent> add(std::shared_ptr<Referent> object);
  // Closed: it is gone.
  std::shared_ptr<Referent> find(uint64_t object);
  // The client has a proxy more, or one less.
  void take(const std::shared_ptr<Referent>& object, const ClientProcess& client);
  void drop(uint64_t object, const ClientProcess& client);
  void keep_for_transit(const std::shared_ptr<Referent>& object);
  // Lets go of those whose time has passed; now and then.
  void sweep();

  // Invalid: another has the name.
  void publish(const std::string& name, const std::shared_ptr<Referent>& object);
  bool unpublish(const std::string& name);
  // Invalid: none has the name.
  std::shared_ptr<Referent> published(const std::string& name);

  size_t size();

 private:
  using Objects = std::vector<std::shared_ptr<Referent>>;
  struct Reference {
    std::shared_ptr<Referent> object;
    uint64_t proxies = 0;
  };
  struct Entry {
    std::shared_ptr<ClientProcess> process;
    std::map<uint64_t, Reference> references;
  };
  struct Leaving {
    std::shared_ptr<Referent> object;
    Clock::time_point at;
  };
  Objects living();

  const Millis transit_;
  EndingThread ending_;  // outlives the rest
  std::mutex mutex_;
  uint64_t last_ = kManager;
  std::unordered_map<uint64_t, std::weak_ptr<Referent>> objects_;
  size_t swept_at_ = 64;  // how many there may be before those that have ended are looked for
  std::map<uint64_t, Entry> clients_;
  std::map<std::string, std::shared_ptr<Referent>> names_;
  std::map<uint64_t, Leaving> in_transit_;
};

}  // namespace towpath::managed

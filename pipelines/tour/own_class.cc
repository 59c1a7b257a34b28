// A manager holds objects of your own classes, too, and calls on one object follow one another. The
// class says what may be called. What a method throws arrives where it was called; what is not
// exposed can't be called. Registered under a name, the class can be used by programs that don't
// have it, also over TCP; the processes of one program need no name: manager.make<Account>(100).
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

class Account {
 public:
  explicit Account(int64_t balance) : balance_(balance) {}
  int64_t balance() const { return balance_; }
  int64_t withdraw(int64_t amount) {
    if (amount > balance_)
      throw std::invalid_argument(format("{} is more than {}", amount, balance_));
    return balance_ -= amount;
  }
  void seize() { balance_ = 0; }

  static void expose(Exposes<Account>& type) {
    type.constructor<int64_t>();
    type.method<&Account::balance>("balance");
    type.method<&Account::withdraw>("withdraw");
  }

 private:
  int64_t balance_;
};

void spend(const ObjectProxy<Account>& account) {
  say(format("a child withdraws 70, which leaves {}", account.call<&Account::withdraw>(70)));
}

}  // namespace

void own_class() {
  Manager bank(ManagerOptions{}.type<Account>("Account"));
  auto account = bank.create<Account>("Account", 100);
  Process child(&spend, account);
  child.start();
  child.join();
  try {
    account.call<&Account::withdraw>(50);
  } catch (const std::invalid_argument& error) {
    say(format("refused: {}", error.what()));
  }
  try {
    account.call<void>("seize");
  } catch (const RemoteError&) {
    say("seize is not exposed");
  }
  say(format("the balance is {}", account.call<&Account::balance>()));
}

}  // namespace tour

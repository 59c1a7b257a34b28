from multiprocessing import Process
from multiprocessing.managers import BaseManager, RemoteError


class Account:
    def __init__(self, balance):
        self._balance = balance

    def balance(self):
        return self._balance

    def withdraw(self, amount):
        if amount > self._balance:
            raise ValueError(f"{amount} is more than {self._balance}")
        self._balance -= amount
        return self._balance

    def seize(self):
        self._balance = 0


class Bank(BaseManager):
    pass


Bank.register("Account", Account, exposed=("balance", "withdraw"))


def spend(account):
    print("a child withdraws 70, which leaves", account.withdraw(70), flush=True)


if __name__ == "__main__":
    with Bank() as bank:
        account = bank.Account(100)
        child = Process(target=spend, args=(account,))
        child.start()
        child.join()
        try:
            account.withdraw(50)
        except ValueError as error:
            print("refused:", error)
        try:
            account._callmethod("seize")
        except RemoteError:
            print("seize is not exposed")
        print("the balance is", account.balance())

"""What became of an intent: codes of the tape, and their words."""

NOTHING = 0.0
ACCEPTED = 1.0
DENIED_HOLDING = 2.0
DENIED_STOPPED = 3.0
DENIED_NO_STOP = 4.0
DENIED_SIZE = 5.0
DENIED_FLAT = 6.0
WORKING = 7.0
NOT_READY = 8.0
DENIED_HALTED = 9.0
DENIED_FAR_STOP = 10.0
DENIED_TRADES = 11.0
DENIED_PRICES = 12.0
DENIED_NO_VOLATILITY = 13.0
DENIED_POSITIONS = 14.0
DENIED_CLASS = 15.0
DENIED_SECTOR = 16.0
DENIED_OPEN_RISK = 17.0
DENIED_DEPLOYED = 18.0
DENIED_CASH = 19.0
DENIED_NOTHING_RESTS = 20.0

OUTCOMES = {
    0: "none",
    1: "accepted",
    2: "denied: a position is open",
    3: "denied: stopped out since the last decision",
    4: "denied: no valid stop",
    5: "denied: size below one lot",
    6: "denied: nothing to close",
    7: "waiting: an order is still working",
    8: "waiting: a feature is not known yet",
    9: "denied: trading is halted",
    10: "denied: stop too far away",
    11: "denied: no more trades this session",
    12: "denied: prices contradict each other",
    13: "denied: no volatility known yet",
    14: "denied: no more positions",
    15: "denied: asset class limit",
    16: "denied: sector limit",
    17: "denied: open risk limit",
    18: "denied: deployed limit",
    19: "denied: cash",
    20: "denied: nothing to cancel",
}

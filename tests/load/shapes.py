"""How load goes over time, as data: (seconds, users) one after the other."""

SPAWN_RATE = 20

SHAPES: dict[str, tuple[tuple[int, int], ...]] = {
    "smoke": ((8, 5),),
    "steady": ((60, 20),),
    "ramp": ((20, 5), (20, 20), (20, 50), (20, 100)),
    "spike": ((20, 10), (20, 120), (30, 10)),
    "soak": ((3600, 30),),
}

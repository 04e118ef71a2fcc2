from proxy.isolation.native.order import LENGTH_BYTES, Order


def test_an_order_arrives_as_it_was_given() -> None:
    order = Order(
        argv=[b"/bin/true", b"\xff", b""],
        env={b"A": b"\n"},
        folder=5,
        ids=(1000, 1001),
        files={10: b"\0"},
        tmp=b"/tmp/x",
        rules=[(b"/usr", 13), (5, 13)],
        filter=b"12345678",
        tells=True,
    )
    packed = order.packed()

    assert int.from_bytes(packed[:LENGTH_BYTES], "big") == len(packed) - LENGTH_BYTES
    assert vars(Order.unpacked(packed[LENGTH_BYTES:])) == vars(order)


def test_what_is_not_said_is_left_out() -> None:
    order = Order(argv=[b"/bin/true"], env={})

    assert (order.ids, order.rules, order.filter, order.tells) == (None, None, None, False)

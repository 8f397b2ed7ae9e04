def test_a_clean_landing(bench, ada):
    done = bench.landed(ada, {"a.txt": b"a\n", "src/b.txt": b"b\n"}, goal="Begin")
    assert (done.position, done.status) == (1, "landed")
    assert bench.tree(ada) == {b"a.txt": b"a\n", b"src/b.txt": b"b\n"}

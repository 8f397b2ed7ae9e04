"""Which lines changed: git's own choice, so that our diffs read like everybody else's.

Many edit scripts are equally short; which one a reader sees is decided by git's xdiff:
E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986) from both ends, with
rare lines matched first and a limit on effort, then sliding each group of changed lines to
where it reads best (Haggerty's indent heuristic, git 2.14). This follows the same rules
with the same figures; a test compares the two on generated texts.

Lines are compared with their ends: `a` without a last newline is not `a\\n`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, chain, count

__all__ = ["changed_lines", "changed_tokens"]

_MAX_EQUAL_LINES = 1024
_FEWEST_COST = 256
_SNAKE = 20
_HEURISTIC_COST = 256
_HEURISTIC_GAIN = 4
_SCAN_WINDOW = 100
_RUN_WEIGHT = 4
_NEVER = 1 << 60

# What one comparison may cost before whole stretches are called changed: a second or two.
# git has no such end for the halves it promised to solve exactly.
_BUDGET = 4_000_000


def changed_lines(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[bytearray, bytearray]:
    """For each line of both texts whether it changed (1) or stays (0).

    Unchanged lines pair up in order. Both arrays are two bytes longer than their text, the
    last two always 0, so that looking just before the first line or after the last is safe.
    """
    first, second = _classified(old, new)
    marks = _compared(first, second)
    _compact(old, first, marks[0], marks[1])
    _compact(new, second, marks[1], marks[0])
    return marks


def changed_tokens(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[bytearray, bytearray]:
    """As `changed_lines`, without moving groups to where lines would read best."""
    return _compared(*_classified(old, new))


def _classified(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Both texts as small numbers, equal for equal lines."""
    numbers = dict(zip(dict.fromkeys(chain(old, new)), count(), strict=False))
    return list(map(numbers.__getitem__, old)), list(map(numbers.__getitem__, new))


def _compared(first: list[int], second: list[int]) -> tuple[bytearray, bytearray]:
    marks = bytearray(len(first) + 2), bytearray(len(second) + 2)
    start, ends = _trimmed(first, second)
    kept = _cleaned(first, second, start, ends, marks)
    lines = [first[at] for at in kept[0]], [second[at] for at in kept[1]]
    search = _Search(*lines)
    for low, high, side in search.run():
        for at in kept[side][low:high]:
            marks[side][at] = 1
    return marks


def _trimmed(first: list[int], second: list[int]) -> tuple[int, tuple[int, int]]:
    """Where the texts begin to differ, and behind which line of each they are equal again."""
    shorter = min(len(first), len(second))
    start = 0
    while start < shorter and first[start] == second[start]:
        start += 1
    tail = 0
    while tail < shorter - start and first[-1 - tail] == second[-1 - tail]:
        tail += 1
    return start, (len(first) - tail, len(second) - tail)


def _cleaned(
    first: list[int], second: list[int], start: int, ends: tuple[int, int], marks: tuple[bytearray, bytearray]
) -> tuple[list[int], list[int]]:
    """The lines worth searching with. Lines the other text does not have are marked as changed
    at once, and so are very frequent ones within a run of such lines.
    """
    kept: tuple[list[int], list[int]] = ([], [])
    for side, (mine, theirs) in enumerate(((first, second), (second, first))):
        many = min(_rough_root(len(mine)), _MAX_EQUAL_LINES)
        counted = map(Counter(theirs).get, mine[start : ends[side]])
        sorts = bytearray(start) + bytes(0 if not found else 2 if found >= many else 1 for found in counted)
        noise = _Noise(sorts, start, ends[side]) if 2 in sorts else None
        for at in range(start, ends[side]):
            if sorts[at] == 1 or (sorts[at] == 2 and noise is not None and not noise.around(at)):
                kept[side].append(at)
            else:
                marks[side][at] = 1
    return kept


def _rough_root(number: int) -> int:
    """A power of two near the square root, as git computes it."""
    root = 1
    while number > 0:
        root <<= 1
        number >>= 2
    return root


class _Noise:
    """Whether a frequent line stands among so many unmatched ones that pairing it would mislead.

    What counts is the unbroken run of unmatched (0) and frequent (2) lines around it.
    """

    def __init__(self, sorts: bytearray, first: int, end: int) -> None:
        self.zeros = [0, *accumulate(sort == 0 for sort in sorts)]
        self.stops = [first - 1, *(at for at in range(first, end) if sorts[at] == 1), end]

    def around(self, at: int) -> bool:
        """The verdict on the frequent line `at`."""
        stop = bisect_left(self.stops, at)
        low = max(self.stops[stop - 1] + 1, at - _SCAN_WINDOW)
        high = min(self.stops[stop] - 1, at + _SCAN_WINDOW)
        above = self.zeros[at] - self.zeros[low]
        below = self.zeros[high + 1] - self.zeros[at + 1]
        if above == 0 or below == 0:
            return False
        # The line itself counts once for each direction it was looked at from.
        run = high - low + 2
        return (run - above - below) * _RUN_WEIGHT < run


class _Search:
    """Myers' search over two number lists, halving boxes until one side of a box is empty."""

    def __init__(self, first: list[int], second: list[int]) -> None:
        self.first = first
        self.second = second
        diagonals = len(first) + len(second) + 3
        self.shift = len(second) + 1
        self.forward = [0] * (diagonals + 2)
        self.backward = [0] * (diagonals + 2)
        self.patience = max(_rough_root(diagonals), _FEWEST_COST)
        self.budget = _BUDGET

    def run(self) -> list[tuple[int, int, int]]:
        """Stretches that changed: (from, to, side), side 0 in the first list, 1 in the second."""
        changed: list[tuple[int, int, int]] = []
        boxes = [(0, len(self.first), 0, len(self.second), False)]
        while boxes:
            left, right, top, bottom, exact = boxes.pop()
            left, right, top, bottom = self._shrunk(left, right, top, bottom)
            if left == right or top == bottom or self.budget < 0:
                changed += [(left, right, 0), (top, bottom, 1)]
                continue
            row, column, low_exact, high_exact = self._split(left, right, top, bottom, exact=exact)
            boxes.append((row, right, column, bottom, high_exact))
            boxes.append((left, row, top, column, low_exact))
        return changed

    def _shrunk(self, left: int, right: int, top: int, bottom: int) -> tuple[int, int, int, int]:
        first, second = self.first, self.second
        while left < right and top < bottom and first[left] == second[top]:
            left += 1
            top += 1
        while left < right and top < bottom and first[right - 1] == second[bottom - 1]:
            right -= 1
            bottom -= 1
        return left, right, top, bottom

    def _split(
        self, left: int, right: int, top: int, bottom: int, *, exact: bool
    ) -> tuple[int, int, bool, bool]:
        """A point on a good path through the box, and whether each half is to be searched exactly.

        A diagonal is row minus column; `forward` and `backward` hold the furthest row reached
        on each, and a front is the lowest and highest diagonal reached from one corner.
        """
        box = (left, right, top, bottom)
        first, last = left - bottom, right - top
        start, goal = left - top, right - bottom
        self.forward[start + self.shift] = left
        self.backward[goal + self.shift] = right
        ahead, back = (start, start), (goal, goal)
        odd = (start - goal) & 1
        cost = 0
        while True:
            cost += 1
            ahead = self._widened(self.forward, ahead, first, last, -1)
            met, snake_ahead = self._advance(ahead, back if odd else None, right, bottom)
            if met is not None:
                return *met, True, True
            back = self._widened(self.backward, back, first, last, _NEVER)
            met, snake_back = self._retreat(back, None if odd else ahead, left, top)
            if met is not None:
                return *met, True, True
            self.budget -= (ahead[1] - ahead[0] + back[1] - back[0]) // 2 + 2
            if not exact and cost > _HEURISTIC_COST and (snake_ahead or snake_back):
                good = self._good_snake(box, ahead, back, cost)
                if good is not None:
                    return good
            if self.budget < 0 or (not exact and cost >= self.patience):
                return self._furthest(box, ahead, back)

    def _widened(
        self, reached: list[int], front: tuple[int, int], first: int, last: int, edge: int
    ) -> tuple[int, int]:
        """The front one diagonal further on both sides, or drawn in where the box ends."""
        low, high = front
        if low > first:
            low -= 1
            reached[low - 1 + self.shift] = edge
        else:
            low += 1
        if high < last:
            high += 1
            reached[high + 1 + self.shift] = edge
        else:
            high -= 1
        return low, high

    def _advance(
        self, front: tuple[int, int], against: tuple[int, int] | None, right: int, bottom: int
    ) -> tuple[tuple[int, int] | None, bool]:
        """One more edit from the start; where the backward search was met, else None. Also
        whether a long equal stretch was found.
        """
        first, second, shift = self.first, self.second, self.shift
        reached, other = self.forward, self.backward
        low, high = against if against is not None else (_NEVER, -_NEVER)
        long_snake = False
        for diagonal in range(front[1], front[0] - 1, -2):
            at = diagonal + shift
            above, below = reached[at - 1], reached[at + 1]
            row = begun = above + 1 if above >= below else below
            column = row - diagonal
            while row < right and column < bottom and first[row] == second[column]:
                row += 1
                column += 1
            if row - begun > _SNAKE:
                long_snake = True
                self.budget -= (row - begun) >> 2
            reached[at] = row
            if low <= diagonal <= high and other[at] <= row:
                return (row, column), long_snake
        return None, long_snake

    def _retreat(
        self, front: tuple[int, int], against: tuple[int, int] | None, left: int, top: int
    ) -> tuple[tuple[int, int] | None, bool]:
        """One more edit from the end backwards; as `_advance`."""
        first, second, shift = self.first, self.second, self.shift
        reached, other = self.backward, self.forward
        low, high = against if against is not None else (_NEVER, -_NEVER)
        long_snake = False
        for diagonal in range(front[1], front[0] - 1, -2):
            at = diagonal + shift
            above, below = reached[at - 1], reached[at + 1]
            row = begun = above if above < below else below - 1
            column = row - diagonal
            while row > left and column > top and first[row - 1] == second[column - 1]:
                row -= 1
                column -= 1
            if begun - row > _SNAKE:
                long_snake = True
                self.budget -= (begun - row) >> 2
            reached[at] = row
            if low <= diagonal <= high and row <= other[at]:
                return (row, column), long_snake
        return None, long_snake

    def _good_snake(
        self, box: tuple[int, int, int, int], ahead: tuple[int, int], back: tuple[int, int], cost: int
    ) -> tuple[int, int, bool, bool] | None:
        """A point that got far for its cost and ends (or begins) a long equal stretch."""
        left, right, top, bottom = box
        first, second = self.first, self.second
        best, point = 0, None
        for diagonal in range(ahead[1], ahead[0] - 1, -2):
            row = self.forward[diagonal + self.shift]
            column = row - diagonal
            gain = (row - left) + (column - top) - abs(diagonal - (left - top))
            if gain <= max(_HEURISTIC_GAIN * cost, best):
                continue
            if not (left + _SNAKE <= row < right and top + _SNAKE <= column < bottom):
                continue
            if first[row - _SNAKE : row] == second[column - _SNAKE : column]:
                best, point = gain, (row, column, True, False)
        if point is not None:
            return point
        for diagonal in range(back[1], back[0] - 1, -2):
            row = self.backward[diagonal + self.shift]
            column = row - diagonal
            gain = (right - row) + (bottom - column) - abs(diagonal - (right - bottom))
            if gain <= max(_HEURISTIC_GAIN * cost, best):
                continue
            if not (left < row <= right - _SNAKE and top < column <= bottom - _SNAKE):
                continue
            if first[row : row + _SNAKE] == second[column : column + _SNAKE]:
                best, point = gain, (row, column, False, True)
        return point

    def _furthest(
        self, box: tuple[int, int, int, int], ahead: tuple[int, int], back: tuple[int, int]
    ) -> tuple[int, int, bool, bool]:
        """Enough is enough: the point that got furthest from its corner."""
        left, right, top, bottom = box
        far, far_row = -1, -1
        for diagonal in range(ahead[1], ahead[0] - 1, -2):
            row = min(self.forward[diagonal + self.shift], right)
            column = row - diagonal
            if column > bottom:
                row, column = bottom + diagonal, bottom
            if far < row + column:
                far, far_row = row + column, row
        near, near_row = _NEVER, _NEVER
        for diagonal in range(back[1], back[0] - 1, -2):
            row = max(left, self.backward[diagonal + self.shift])
            column = row - diagonal
            if column < top:
                row, column = top + diagonal, top
            if row + column < near:
                near, near_row = row + column, row
        if (right + bottom) - near < far - (left + top):
            return far_row, far - far_row, True, False
        return near_row, near - near_row, False, True


class _Groups:
    """The groups of changed lines of one text, walked in step with the other text's."""

    def __init__(self, marks: bytearray, length: int, numbers: list[int] | None = None) -> None:
        self.marks = marks
        self.length = length
        self.numbers = numbers or []
        self.start = self.end = 0
        while marks[self.end]:
            self.end += 1

    def next(self) -> bool:
        """Go to the next group, which may be empty; False at the end of the text."""
        if self.end == self.length:
            return False
        self.start = self.end = self.end + 1
        while self.marks[self.end]:
            self.end += 1
        return True

    def ahead(self) -> int:
        """How many times `next` leads to the next group that is not empty; 0 when there is none."""
        mark = self.marks.find(1, self.end + 1, self.length)
        return max(0, mark - self.end)

    def skip(self, steps: int) -> None:
        """The same as `next` so many times, which do not lead beyond the end."""
        while steps:
            empty = min(steps, self.ahead() or steps)
            self.start = self.end + empty
            self.end = self.marks.find(0, self.start)
            steps -= empty

    def previous(self) -> bool:
        """Go to the group before; False at the beginning."""
        if self.start == 0:
            return False
        self.start = self.end = self.start - 1
        while self.marks[self.start - 1]:
            self.start -= 1
        return True

    def slide_down(self) -> bool:
        """Move the group one line down when the text stays the same, swallowing what it touches."""
        if self.end >= self.length or self.numbers[self.start] != self.numbers[self.end]:
            return False
        self.marks[self.start] = 0
        self.marks[self.end] = 1
        self.start += 1
        self.end += 1
        while self.marks[self.end]:
            self.end += 1
        return True

    def slide_up(self) -> bool:
        """Move the group one line up, as `slide_down`."""
        if self.start == 0 or self.numbers[self.start - 1] != self.numbers[self.end - 1]:
            return False
        self.start -= 1
        self.end -= 1
        self.marks[self.start] = 1
        self.marks[self.end] = 0
        while self.marks[self.start - 1]:
            self.start -= 1
        return True


def _compact(lines: Sequence[bytes], numbers: list[int], marks: bytearray, others: bytearray) -> None:
    """Slide each group of changed lines to where it lines up with a change of the other text,
    or else to where indentation and blank lines say that a block begins.
    """
    group = _Groups(marks, len(numbers), numbers)
    other = _Groups(others, len(others) - 2)
    while True:
        if group.end > group.start:
            _place(lines, group, other)
        steps = group.ahead()
        if not steps:
            return
        # Both texts have the same unchanged lines, and a group ends before each.
        group.skip(steps)
        other.skip(steps)


def _place(lines: Sequence[bytes], group: _Groups, other: _Groups) -> None:
    while True:
        size = group.end - group.start
        aligned = False
        while group.slide_up():
            other.previous()
        earliest = group.end
        aligned = other.end > other.start
        while group.slide_down():
            other.next()
            aligned = aligned or other.end > other.start
        if size == group.end - group.start:
            break
    if group.end == earliest:
        return
    if aligned:
        while other.end == other.start and group.slide_up():
            other.previous()
        return
    best = _best_end(lines, group, earliest, size)
    while group.end > best and group.slide_up():
        other.previous()


_FARTHEST_SLIDE = 100
_MOST_INDENT = 200
_MOST_BLANKS = 20
_INDENT_WEIGHT = 60


def _best_end(lines: Sequence[bytes], group: _Groups, earliest: int, size: int) -> int:
    """Among the places the group can slide to, the end of the one that reads best (the lowest of equals)."""
    best, best_indent, best_penalty = -1, 0, 0
    for end in range(max(earliest, group.end - size - 1, group.end - _FARTHEST_SLIDE), group.end + 1):
        below, above = _score(lines, end), _score(lines, end - size)
        indent, penalty = below[0] + above[0], below[1] + above[1]
        if best >= 0:
            order = (indent > best_indent) - (indent < best_indent)
            if _INDENT_WEIGHT * order + penalty - best_penalty > 0:
                continue
        best, best_indent, best_penalty = end, indent, penalty
    return best


def _score(lines: Sequence[bytes], at: int) -> tuple[int, int]:
    """How badly a block boundary before line `at` reads: the indent there, and a penalty."""
    indent = _indent(lines[at]) if at < len(lines) else -1
    before, blanks_before = _neighbour(lines, at - 1, -1)
    after, blanks_after = _neighbour(lines, at + 1, 1)
    penalty = 1 if before == -1 and blanks_before == 0 else 0
    if at >= len(lines):
        penalty += 21
    following = 1 + blanks_after if indent == -1 else 0
    blanks = blanks_before + following
    penalty += -30 * blanks + 6 * following
    if indent == -1:
        indent = after
    if indent == -1 or before == -1 or indent == before:
        return indent, penalty
    if indent > before:
        return indent, penalty + (10 if blanks else -4)
    if after != -1 and after > indent:
        return indent, penalty + (17 if blanks else 24)
    return indent, penalty + (17 if blanks else 23)


def _neighbour(lines: Sequence[bytes], at: int, step: int) -> tuple[int, int]:
    """The indent of the nearest line with text in it in one direction, and the blank lines up to it."""
    blanks = 0
    while 0 <= at < len(lines):
        indent = _indent(lines[at])
        if indent != -1:
            return indent, blanks
        blanks += 1
        if blanks == _MOST_BLANKS:
            return 0, blanks
        at += step
    return -1, blanks


def _indent(line: bytes) -> int:
    """The column of the first character that is no white space; -1 for a blank line."""
    column = 0
    for byte in line:
        if byte == 0x20:
            column += 1
        elif byte == 0x09:
            column += 8 - column % 8
        elif byte not in b"\r\n":
            return column
        if column >= _MOST_INDENT:
            return _MOST_INDENT
    return -1

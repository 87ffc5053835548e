//! Programs on a terminal that a test drives: it waits for texts on the screen, presses keys, and looks at the screen.

use crate::support::{Done, Room, without_colours};
use std::io::Write;
use std::process::Stdio;

/// The driver. It starts a program on a terminal, follows a script of steps, and draws what the program sends as a terminal does:
/// cursor, clearing, text. The last two lines of its answer say whether the terminal was given back, and the exit code.
const DRIVER: &str = r"
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time
columns, lines = int(sys.argv[1]), int(sys.argv[2])
def size(fd): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    size(1)
    os.execv(sys.argv[3], sys.argv[3:])
size(fd)
before = termios.tcgetattr(fd)
grid, x, y, alternate, rest, gone, kept = {}, 0, 0, False, '', False, (0, 0)
def text(): return '\n'.join(''.join(grid.get((r, c), ' ') for c in range(columns)).rstrip() for r in range(lines))
def take(data):
    global x, y, alternate, rest, grid, kept
    data = rest + data
    at = 0
    while at < len(data):
        c = data[at]
        if c == '\x1b':
            found = re.match(r'\x1b\[([?<>=]?)([0-9;]*)([@-~])|\x1b[^\[]', data[at:])
            if not found: break
            at += found.end()
            if not found.group(3): continue
            mark, numbers, end = found.groups()
            numbers = [int(n or 0) for n in numbers.split(';')]
            first = max(numbers[0], 1)
            if mark == '?' and 1049 in numbers:
                alternate, grid = end == 'h', {}
                if alternate: kept = x, y
                else: x, y = kept
            elif end in 'Hf': y, x = first - 1, (max(numbers[1], 1) if len(numbers) > 1 else 1) - 1
            elif end == 'A': y = max(y - first, 0)
            elif end == 'B': y += first
            elif end == 'C': x += first
            elif end == 'D': x = max(x - first, 0)
            elif end == 'G': x = first - 1
            elif end == 'J': grid = {k: v for k, v in grid.items() if numbers[0] == 0 and k < (y, x)}
            elif end == 'K': grid = {k: v for k, v in grid.items() if k[0] != y or k[1] < x}
            continue
        at += 1
        if c == '\r': x = 0
        elif c == '\n':
            if y == lines - 1: grid = {(r - 1, q): v for (r, q), v in grid.items() if r}
            else: y += 1
        else:
            grid[(y, x)] = c
            x += 1
    rest = data[at:]
def pump(wait):
    global gone
    if gone or not select.select([fd], [], [], wait)[0]: return
    try: data = os.read(fd, 65536)
    except OSError: data = b''
    gone = not data
    take(data.decode(errors='replace'))
def until(meant, what):
    end = time.monotonic() + 60
    while not meant():
        pump(0.1)
        if gone or time.monotonic() > end:
            print(f'{what}: not on the screen:\n{text()}')
            os.kill(pid, signal.SIGKILL)
            sys.exit(99)
for step in sys.stdin.read().splitlines():
    word, _, rest_of = step.partition(' ')
    if word == 'see': until(lambda: rest_of in text(), step)
    elif word == 'lose': until(lambda: rest_of not in text(), step)
    elif word == 'keys': os.write(fd, rest_of.encode().decode('unicode_escape').encode())
    elif word == 'run': subprocess.run(rest_of, shell=True, check=True, stdout=subprocess.DEVNULL)
    elif word == 'show': print(text())
    elif word == 'kill': os.kill(pid, getattr(signal, 'SIG' + rest_of))
    elif word == 'size':
        columns, lines = map(int, rest_of.split())
        grid = {}
        size(fd)
until_gone = time.monotonic() + 60
status = (0, 0)
while status[0] == 0 and time.monotonic() < until_gone:
    pump(0.1)
    status = os.waitpid(pid, os.WNOHANG)
for _ in range(20): pump(0.01)
print(text())
try: same = termios.tcgetattr(fd) == before
except termios.error: same = True
print('given back' if same and not alternate else 'not given back')
code = os.waitstatus_to_exitcode(status[1])
print(f'exit code {code}')
";

/// Runs a command on a terminal of this size, and follows the script.
pub(crate) fn drive(room: &Room, size: (u16, u16), arguments: &[&str], script: &[&str]) -> Done {
    let (columns, lines) = (size.0.to_string(), size.1.to_string());
    let mut command = room.command_of("python3", &["-c", DRIVER, &columns, &lines, env!("CARGO_BIN_EXE_evlog")]);
    command.args(arguments).envs(without_colours()).env("TERM", "xterm").env("EVLOG", env!("CARGO_BIN_EXE_evlog"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.join("\n").as_bytes()).unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
    done
}

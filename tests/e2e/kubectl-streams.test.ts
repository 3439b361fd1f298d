/** exec, attach, port-forward and logs with real kubectls, in front of a kubelet without pods. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { createFakeKubelet } from '../../src/lab/apiserver/streams/fake-kubelet.ts';
import { findKubectls, type Kubectl, kubectlMissing, kubectlRunner } from './support/kubectls.ts';
import { startStreamServer } from './support/stream-server.ts';

const skip = kubectlMissing();
const LARGE_BYTES = 50_000_000;

async function setUp(t: TestContext, kubectl: Kubectl) {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-e2e-'));
  const kubelet = createFakeKubelet({ socketPath: join(directory, 'kubelet.sock') });
  await kubelet.ready;
  const server = await startStreamServer(kubelet);
  const runner = kubectlRunner(kubectl, `http://127.0.0.1:${server.port}`);
  t.after(() => {
    kubelet.close();
    server.close();
    runner.dispose();
    rmSync(directory, { recursive: true, force: true });
  });
  return { kubelet, server, directory, ...runner };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 15_000; !condition();) {
    assert.ok(Date.now() < end, what);
    await delay(20);
  }
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const kubectls = findKubectls();
test(
  'a kubectl of 1.20 takes part',
  {
    skip:
      skip ||
      (!kubectls.some(({ version }) => version === '1.20') &&
        'PODNET_OLD_KUBECTL does not name a kubectl 1.20'),
  },
  () => {},
);
test('a kubectl takes part', { skip }, () => {});

for (const kubectl of kubectls) {
  const title = (text: string): string => `kubectl ${kubectl.version} ${text}`;
  const newer = Number(kubectl.version.split('.')[1]) >= 31;

  test(title('exec gives both outputs and the exit code'), async (t) => {
    const { run, server } = await setUp(t, kubectl);
    const { code, stdout, stderr } = await run([
      'exec',
      'web',
      '--',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 7',
    ]);
    assert.equal(stdout.toString(), 'out\n');
    assert.match(stderr, /^err\n(.|\n)*command terminated with exit code 7/);
    assert.equal(code, 7);
    assert.match(server.upgrades[0] ?? '', newer ? /^v5\.channel/ : /^SPDY\/3\.1$/);
  });

  test(title('exec -i carries 50 MB each way unharmed'), async (t) => {
    const { run, kubelet } = await setUp(t, kubectl);
    const data = randomBytes(LARGE_BYTES);
    const echoed = await run(['exec', '-i', 'web', '--', 'cat'], { input: data, timeoutMs: 60_000 });
    assert.equal(echoed.code, 0, echoed.stderr);
    assert.equal(echoed.stdout.length, LARGE_BYTES);
    assert.equal(hash(echoed.stdout), hash(data));
    await until(() => kubelet.openStreams() === 0, 'the stream ends');
  });

  test(title('exec ends when the command does, its input unread'), async (t) => {
    const { run } = await setUp(t, kubectl);
    const { code, stdout } = await run(['exec', '-i', 'web', '--', 'sh', '-c', 'head -c 10; exit 3'], {
      input: Buffer.alloc(LARGE_BYTES, 'x'),
    });
    assert.equal(stdout.toString(), 'xxxxxxxxxx');
    assert.equal(code, 3);
  });

  test(title('exec says what is wrong'), async (t) => {
    const { run, kubelet } = await setUp(t, kubectl);
    const missing = await run(['exec', 'web', '-c', 'missing', '--', 'ls']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /container not found \("missing"\)|container missing is not valid/);
    kubelet.close();
    const away = await run(['exec', 'web', '--', 'ls']);
    assert.match(away.stderr, /error dialing backend/);
  });

  test(title('exec ends with an error when the node dies, and the command when kubectl does'), async (t) => {
    const { run, start, kubelet } = await setUp(t, kubectl);
    const running = run(['exec', 'web', '--', 'sleep', '1000']);
    await until(() => kubelet.openStreams() === 1, 'running');
    kubelet.breakStreams();
    const { code, stderr } = await running;
    assert.equal(code, 1);
    assert.match(stderr, /connection to the kubelet was lost/);
    const killed = start(['exec', 'web', '--', 'sleep', '1000']);
    await until(() => kubelet.openStreams() === 1, 'running');
    killed.kill('SIGKILL');
    await until(() => kubelet.openStreams() === 0, 'the command is gone');
  });

  test(title('exec -it follows the size of the terminal'), async (t) => {
    if (spawnSync('tmux', ['-V']).status !== 0) {
      t.skip('tmux is not installed (apt-get install tmux)');
      return;
    }
    const { shellCommand, directory } = await setUp(t, kubectl);
    const socket = join(directory, 'tmux');
    const tmux = (...args: string[]): string =>
      spawnSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' }).stdout;
    try {
      tmux(
        'new-session',
        '-d',
        '-x',
        '90',
        '-y',
        '20',
        `${shellCommand('exec -it web -- sh')}; echo "code $?"; sleep 100`,
      );
      const screen = (): string => tmux('capture-pane', '-p');
      await until(() => screen().includes('size 90x20'), 'the first size');
      tmux('resize-window', '-x', '70', '-y', '30');
      await until(() => screen().includes('size 70x30'), 'the second size');
      tmux('send-keys', 'exit 5', 'Enter');
      await until(() => screen().includes('code 5'), 'the exit code');
    } finally {
      tmux('kill-server');
    }
  });

  test(title('attach speaks to the container'), async (t) => {
    const { run } = await setUp(t, kubectl);
    const { stdout } = await run(['attach', '-i', 'web'], { input: 'louder\n' });
    assert.match(stdout.toString(), /LOUDER/);
  });

  test(title('port-forward carries connections, several at a time'), async (t) => {
    const { start, server, kubelet } = await setUp(t, kubectl);
    const data = randomBytes(5_000_000);
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    t.after(() => echo.close());
    const forward = start(['port-forward', 'pod/web', `:${(echo.address() as AddressInfo).port}`]);
    t.after(() => forward.kill('SIGKILL'));
    let said = '';
    forward.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until(() => said.includes('Forwarding from 127.0.0.1:'), 'forwarding');
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    const echoOnce = async (): Promise<void> => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.end(data);
      await once(socket, 'end', { signal: AbortSignal.timeout(15_000) });
      assert.equal(hash(Buffer.concat(chunks)), hash(data));
    };
    await echoOnce();
    await Promise.all(Array.from({ length: 5 }, echoOnce));
    assert.match(server.upgrades[0] ?? '', newer ? /^SPDY\/3\.1\+portforward/ : /^SPDY\/3\.1$/);
    await until(() => kubelet.openStreams() === 0, 'every connection is let go');
    const aborted = connect({ port, host: '127.0.0.1' });
    aborted.on('error', () => {});
    aborted.write('x');
    await until(() => kubelet.openStreams() === 1, 'connected');
    aborted.resetAndDestroy();
    forward.kill('SIGKILL');
    await until(() => kubelet.openStreams() === 0, 'kubectl is gone');
  });

  test(title('port-forward says that nobody listens'), async (t) => {
    const { start } = await setUp(t, kubectl);
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port: unused } = closed.address() as AddressInfo;
    closed.close();
    const forward = start(['port-forward', 'pod/web', `:${unused}`]);
    t.after(() => forward.kill('SIGKILL'));
    let said = '';
    for (const stream of [forward.stdout, forward.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    await until(() => said.includes('Forwarding from 127.0.0.1:'), 'forwarding');
    const socket = connect(Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]), '127.0.0.1');
    socket.on('error', () => {});
    await until(() => /error forwarding port \d+ to pod web, uid : connect ECONNREFUSED/.test(said), said);
  });

  test(title('logs shows, follows and ends'), async (t) => {
    const { run, start, kubelet } = await setUp(t, kubectl);
    for (const line of ['one', 'two', 'three']) kubelet.log(line);
    assert.equal((await run(['logs', 'web'])).stdout.toString(), 'one\ntwo\nthree\n');
    assert.equal((await run(['logs', 'web', '--tail=1'])).stdout.toString(), 'three\n');
    const follow = start(['logs', '-f', 'web', '--tail=1']);
    let said = '';
    follow.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until(() => said === 'three\n', 'what was there');
    kubelet.log('four');
    await until(() => said === 'three\nfour\n', 'the next line');
    kubelet.endLogs();
    const [code] = (await once(follow, 'close', { signal: AbortSignal.timeout(15_000) })) as [number];
    assert.equal(code, 0);
    const killed = start(['logs', '-f', 'web']);
    await until(() => kubelet.openStreams() === 1, 'following');
    killed.kill('SIGKILL');
    await until(() => kubelet.openStreams() === 0, 'kubectl is gone');
  });

  test(title('cp copies a file'), async (t) => {
    if (spawnSync('tar', ['--version']).status !== 0) {
      t.skip('tar is not installed');
      return;
    }
    const { run, directory } = await setUp(t, kubectl);
    const from = join(directory, 'from');
    const data = randomBytes(1_000_000);
    writeFileSync(from, data);
    const { code, stderr } = await run(['cp', from, `web:${join(directory, 'to')}`]);
    assert.equal(code, 0, stderr);
    const same = spawn('cmp', [from, join(directory, 'to')]);
    const [difference] = (await once(same, 'close')) as [number];
    assert.equal(difference, 0);
  });
}

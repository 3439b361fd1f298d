import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findProgram } from '../../kernel/process.ts';
import { isOwnShim } from '../spec/delegate.ts';
import type { CniEnvironment } from '../spec/environment.ts';
import { type Plugin, definePlugin } from '../spec/plugin.ts';
import { buildShim } from './build-shim.ts';
import { encodeRequest } from './protocol.ts';
import { startCniServer } from './server.ts';

interface Bench {
  readonly directory: string;
  readonly socketPath: string;
  readonly spoolDirectory: string;
  /** Container ids of the DELs the plugin did. */
  readonly deleted: string[];
  readonly findPlugin: (type: string) => Promise<Plugin | undefined>;
  forward(type: string, environment: CniEnvironment, stdin?: string): Promise<Answer>;
  serve(): Promise<void>;
}

interface Answer {
  readonly exitCode: number | null;
  readonly stdout: string;
}

const config = JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'podnet' });
const del = { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' };
const add = { ...del, CNI_COMMAND: 'ADD', CNI_NETNS: '/proc/self/ns/net' };

/** A directory as `podnet cni install` makes it, with a server that is not started yet. */
async function setUp(t: TestContext): Promise<Bench | undefined> {
  if (!findProgram('musl-gcc') && !findProgram('cc')) {
    t.skip('no C compiler is installed');
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), 'podnet-shim-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const socketPath = join(directory, 'run', 'cni.sock');
  const spoolDirectory = join(directory, 'spool');
  mkdirSync(spoolDirectory, { mode: 0o700 });
  const shim = join(directory, 'podnet-cni');
  copyFileSync(await buildShim(), shim);
  linkSync(shim, join(directory, 'podnet'));
  symlinkSync('podnet-cni', join(directory, 'bridge'));
  writeFileSync(
    join(directory, 'podnet-cni.conf'),
    `# of a test\nsocket=${socketPath}\nspool=${spoolDirectory}\nprogram=${join(directory, 'program')}\ntimeout=5\n`,
  );
  const deleted: string[] = [];
  const findPlugin = (type: string): Promise<Plugin | undefined> =>
    Promise.resolve(
      ['podnet', 'bridge'].includes(type)
        ? definePlugin({
            type,
            add: ({ args }) => ({
              ips: [{ address: '10.1.0.2/24' }],
              dns: { search: [type, args.get('A') ?? ''] },
            }),
            del: ({ containerId }) => void deleted.push(containerId),
          })
        : undefined,
    );
  return {
    directory,
    socketPath,
    spoolDirectory,
    deleted,
    findPlugin,
    forward: (type, environment, stdin = config) => execute(join(directory, type), environment, stdin),
    serve: async () => {
      const server = await startCniServer({ socketPath, spoolDirectory, findPlugin });
      t.after(() => server.close());
    },
  };
}

function execute(file: string, environment: CniEnvironment, stdin: string): Promise<Answer> {
  const child = spawn(file, [], { env: { ...environment }, stdio: ['pipe', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (exitCode) => done({ exitCode, stdout }));
  });
}

const codeOf = ({ stdout }: Answer): unknown => (JSON.parse(stdout) as { code?: unknown }).code;

test('the forwarder passes environment and stdin to the plugin of its name, by hard and symbolic links', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  await bench.serve();
  for (const type of ['podnet', 'bridge']) {
    const { exitCode, stdout } = await bench.forward(type, { ...add, CNI_ARGS: 'A=x;y=z' });
    assert.equal(exitCode, 0, stdout);
    assert.deepEqual(JSON.parse(stdout), {
      cniVersion: '1.0.0',
      ips: [{ address: '10.1.0.2/24' }],
      dns: { search: [type, 'x'] },
    });
    assert.ok(isOwnShim(join(bench.directory, type)));
  }
  const refused = await bench.forward('podnet', add, '{');
  assert.deepEqual([refused.exitCode, codeOf(refused)], [1, 6]);
});

test('the socket is for its owner alone, and a second server on it is refused', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  await bench.serve();
  assert.equal(statSync(bench.socketPath).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(bench.directory, 'run')), ['cni.sock']);
  await assert.rejects(startCniServer(bench), { code: 'cni-socket-taken' });
});

test('a socket that a dead agent left behind is replaced', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  mkdirSync(join(bench.directory, 'run'));
  const dead = createServer();
  await new Promise<void>((done) => dead.listen(`${bench.socketPath}.x`, done));
  // Closing would remove a socket at the path it was bound to.
  renameSync(`${bench.socketPath}.x`, bench.socketPath);
  await new Promise((done) => dead.close(done));
  assert.ok(existsSync(bench.socketPath));
  await bench.serve();
  assert.equal((await bench.forward('podnet', del)).exitCode, 0);
});

test('without an agent podnet asks to try later, and its DELs are done when the agent starts', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  const later = await bench.forward('podnet', add);
  assert.deepEqual([later.exitCode, codeOf(later)], [1, 11]);
  assert.equal((JSON.parse(later.stdout) as { cniVersion: string }).cniVersion, '1.0.0');
  assert.equal(codeOf(await bench.forward('podnet', { CNI_COMMAND: 'STATUS' })), 50);
  for (const id of ['c1', 'c2', 'c2'])
    assert.deepEqual(await bench.forward('podnet', { ...del, CNI_CONTAINERID: id }), {
      exitCode: 0,
      stdout: '',
    });
  assert.equal(readdirSync(bench.spoolDirectory).length, 2);
  writeFileSync(join(bench.spoolDirectory, '0123456789abcdef'), 'no request');
  await bench.serve();
  assert.deepEqual(bench.deleted, ['c1', 'c2']);
  assert.deepEqual(readdirSync(bench.spoolDirectory), []);
});

test('a DEL that cannot be written down fails, so that the runtime tries again', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  rmSync(bench.spoolDirectory, { recursive: true });
  const answer = await bench.forward('podnet', del);
  assert.deepEqual([answer.exitCode, codeOf(answer)], [1, 11]);
});

test('without an agent other plugins run in a process of their own', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  const program = join(bench.directory, 'program');
  writeFileSync(program, '#!/bin/sh\necho "$1 $2 $CNI_COMMAND $(wc -c)"\nexit 7\n');
  chmodSync(program, 0o755);
  const { exitCode, stdout } = await bench.forward('bridge', add);
  assert.deepEqual(
    [exitCode, stdout.replaceAll(/\s+/g, ' ').trim()],
    [7, `cni-plugin bridge ADD ${config.length}`],
  );
});

test('an agent that dies before it answers: ADD fails, DEL is written down', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  mkdirSync(join(bench.directory, 'run'));
  const dying = createServer((socket) => socket.once('data', () => socket.destroy()));
  await new Promise<void>((done) => dying.listen(bench.socketPath, done));
  t.after(() => dying.close());
  assert.equal(codeOf(await bench.forward('bridge', add)), 11);
  assert.equal((await bench.forward('podnet', del)).exitCode, 0);
  assert.equal(readdirSync(bench.spoolDirectory).length, 1);
});

test('input is bounded on both sides', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  await bench.serve();
  assert.equal(codeOf(await bench.forward('podnet', add, ' '.repeat((4 << 20) + 1))), 6);
  assert.equal((await bench.forward('podnet', del, `${config}${' '.repeat(3 << 20)}`)).exitCode, 0);
  assert.equal(
    codeOf(
      await bench.forward('podnet', { ...add, CNI_ARGS: 'A'.repeat(120_000), CNI_PATH: 'x'.repeat(20_000) }),
    ),
    4,
  );
  const tooLong = Buffer.alloc(8);
  tooLong.write('PNC1');
  tooLong.writeUInt32BE(0xffff_ffff, 4);
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n'), tooLong]) {
    const socket = connect(bench.socketPath);
    socket.on('error', () => {});
    socket.write(bytes);
    await new Promise((done) => socket.once('close', done));
  }
});

test('many requests are answered at a time', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  await bench.serve();
  const ids = Array.from({ length: 50 }, (_, index) => `c${index}`);
  const answers = await Promise.all(
    ids.map((id) => bench.forward('podnet', { ...del, CNI_CONTAINERID: id })),
  );
  assert.ok(answers.every(({ exitCode }) => exitCode === 0));
  assert.deepEqual(bench.deleted.toSorted(), ids.toSorted());
});

test('encodeRequest writes what the forwarder writes', async (t) => {
  const bench = await setUp(t);
  if (!bench) return;
  await bench.forward('podnet', del);
  const [file = ''] = readdirSync(bench.spoolDirectory);
  assert.deepEqual(
    readFileSync(join(bench.spoolDirectory, file)),
    encodeRequest({ type: 'podnet', environment: del, stdin: config }),
  );
});

import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import * as ffi from '../../src/kernel/ffi.ts';
import { kernelFeatures, userNamespaces } from '../../src/kernel/features.ts';
import { createNetns, currentNetns, openNetns, threadId, withNetns } from '../../src/kernel/netns.ts';
import { openNetlinkSocket } from '../../src/kernel/netlink/netlink-socket.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { readSysctl, writeSysctl } from '../../src/kernel/sysctl.ts';

test('createNetns leaves the thread where it is and makes an empty namespace', () => {
  const home = currentNetns();
  const netns = createNetns();
  assert.notEqual(netns.inode, home.inode);
  assert.equal(currentNetns().inode, home.inode);
  assert.deepEqual(
    openRtnl({ netns })
      .links()
      .map(({ name }) => name),
    ['lo'],
  );
});

test('withNetns runs inside, nests, and comes back after an exception', () => {
  const home = currentNetns().inode;
  const [a, b] = [createNetns(), createNetns()];
  withNetns(a, () => {
    assert.equal(currentNetns().inode, a.inode);
    withNetns(b, () => assert.equal(currentNetns().inode, b.inode));
    assert.equal(currentNetns().inode, a.inode);
  });
  assert.throws(
    () =>
      withNetns(a, () => {
        throw new Error('inside');
      }),
    /inside/,
  );
  assert.equal(currentNetns().inode, home);
});

test('withNetns refuses asynchronous functions', () => {
  assert.throws(() => withNetns(createNetns(), () => Promise.resolve(1)), TypeError);
});

test('withNetns never leaves libuv’s threads in another namespace', async () => {
  const home = readlinkSync('/proc/thread-self/ns/net');
  let later: Promise<string> | undefined;
  withNetns(createNetns(), () => {
    later = readlink('/proc/thread-self/ns/net');
  });
  assert.equal(await later, home);
});

test('a closed namespace is an error, not another file', () => {
  const netns = createNetns();
  netns.close();
  netns.close();
  assert.throws(() => withNetns(netns, () => 1), /is closed/);
});

test('openNetns opens what /proc shows', () => {
  const netns = openNetns(`/proc/self/task/${threadId()}/ns/net`);
  assert.equal(`net:[${netns.inode}]`, readlinkSync('/proc/thread-self/ns/net'));
});

test('writeSysctl sets the parameter of the namespace it runs in', () => {
  const [a, b] = [createNetns(), createNetns()];
  withNetns(a, () => writeSysctl('net.ipv4.ip_forward', 1));
  const read = (): string => readSysctl('net.ipv4.ip_forward');
  assert.deepEqual([withNetns(a, read), withNetns(b, read)], ['1', '0']);
});

test('enterNetns moves a worker and nothing else', async () => {
  const home = currentNetns().inode;
  const netns = createNetns();
  const url = new URL('../../src/kernel/netns.ts', import.meta.url).href;
  const worker = new Worker(
    `import { parentPort, workerData } from 'node:worker_threads';
     const { currentNetns, enterNetns } = await import(workerData.url);
     enterNetns({ fd: workerData.fd, inode: 0n, close() {} });
     parentPort.postMessage(currentNetns().inode);`,
    { eval: true, workerData: { url, fd: netns.fd } },
  );
  const inode = await new Promise((done, failed) => worker.once('message', done).once('error', failed));
  assert.equal(inode, netns.inode);
  assert.equal(currentNetns().inode, home);
});

test('a system call that fails tells its name, errno and subject', () => {
  assert.throws(
    () => ffi.setns(9999, ffi.CLONE.NEWNET),
    (error) =>
      ffi.isErrno(error, 'EBADF') && error.message.startsWith('setns to file descriptor 9999: EBADF'),
  );
});

test('openPty makes a terminal of the size it is told', (t) => {
  if (!existsSync('/dev/ptmx')) return t.skip('/dev/ptmx is missing');
  const pty = ffi.openPty();
  pty.resize({ columns: 132, rows: 43 });
  const size = Buffer.alloc(8);
  ffi.ioctl(pty.masterFd, 0x5413, size);
  assert.deepEqual([size.readUInt16LE(0), size.readUInt16LE(2)], [43, 132]);
  assert.match(pty.slavePath, /^\/dev\/pts\/\d+$/);
  ffi.closeFd(pty.masterFd);
});

test('NetlinkSocket.listen reports lost events and goes on', async () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.addLink({ kind: 'bridge', name: 'br0', up: true });
  const socket = openNetlinkSocket('route', { netns, groups: [7], receiveBufferBytes: 1 });
  let events = 0;
  let wake = (): void => {};
  const lost = new Promise<void>((done) => {
    socket.listen({
      message() {
        events++;
        wake();
      },
      overflow: done,
    });
  });
  // More than the smallest buffer holds, before the event loop turns.
  for (let index = 0; index < 100; index++) rtnl.replaceRoute({ dst: `10.0.${index}.0/24`, link: 'br0' });
  await lost;
  const before = events;
  const next = new Promise<void>((done) => {
    wake = done;
  });
  rtnl.replaceRoute({ dst: '10.1.0.0/24', link: 'br0' });
  await next;
  assert.equal(events, before + 1);
  socket.close();
});

test('kernelFeatures tries what podnet needs', () => {
  assert.deepEqual(
    kernelFeatures().map(({ name }) => name),
    ['veth', 'bridge', 'vxlan', 'nf_tables', 'ip_forward'],
  );
});

test('userNamespaces tells whether the lab can run without root', async () => {
  const feature = await userNamespaces();
  assert.equal(feature.available || feature.fix !== undefined, true);
});

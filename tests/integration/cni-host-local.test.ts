import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryParseIp } from '../../src/model/ip.ts';
import { AnsweredError, type Call, debian, ours, withoutDebianPlugins } from './support/cni.ts';
import { MS, mount, umount } from '../../src/kernel/ffi.ts';
import { createNetns } from '../../src/kernel/netns.ts';

const scratch = mkdtempSync(join(tmpdir(), 'podnet-host-local-'));
const netns = createNetns();
after(() => {
  rmSync(scratch, { recursive: true });
  netns.close();
});

let networks = 0;

/** A network of its own, with its directory. */
function network(ipam: Readonly<Record<string, unknown>>): { config: Call['config']; directory: string } {
  const name = `net${++networks}`;
  const dataDir = join(scratch, 'data');
  return {
    config: { type: 'host-local', name, ipam: { type: 'host-local', dataDir, ...ipam } },
    directory: join(dataDir, name),
  };
}

function addresses(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => tryParseIp(name))
    .toSorted();
}

async function addedAddress(call: Omit<Call, 'netns'>, by = ours): Promise<string> {
  const { ips = [] } = await by('ADD', { ...call, netns });
  return ips.map(({ address }) => address).join(' ');
}

const code =
  (expected: number, message?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof AnsweredError && error.code === expected && (message?.test(error.message) ?? true);

test('host-local gives one address of every set, with gateway, routes and dns', async () => {
  const resolvConf = join(scratch, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 192.0.2.53\nsearch a.test\n');
  const { config, directory } = network({
    ranges: [[{ subnet: '10.1.0.0/24', gateway: '10.1.0.254' }], [{ subnet: 'fd00:1::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.1.0.7' }],
    resolvConf,
  });
  const result = await ours('ADD', { config, containerId: 'a', netns });
  assert.deepEqual(result.ips, [
    { address: '10.1.0.1/24', gateway: '10.1.0.254' },
    { address: 'fd00:1::2/64', gateway: 'fd00:1::1' },
  ]);
  assert.deepEqual(result.routes, [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.1.0.7' }]);
  assert.deepEqual(result.dns, { nameservers: ['192.0.2.53'], search: ['a.test'] });
  assert.equal(readFileSync(join(directory, '10.1.0.1'), 'utf8'), 'a\r\neth0');
  assert.equal(readFileSync(join(directory, 'last_reserved_ip.1'), 'utf8'), 'fd00:1::2');
  await ours('CHECK', { config, containerId: 'a', netns, prevResult: result });
  await ours('DEL', { config, containerId: 'a' });
  await ours('DEL', { config, containerId: 'a' });
  assert.deepEqual(addresses(directory), []);
  await assert.rejects(ours('CHECK', { config, containerId: 'a', netns, prevResult: result }), code(3));
});

test('host-local gives a freed address again only after all others', async () => {
  const { config } = network({ subnet: '10.1.0.0/29' });
  const given: string[] = [];
  for (let index = 0; index < 6; index++) {
    given.push(await addedAddress({ config, containerId: 'a' }));
    await ours('DEL', { config, containerId: 'a' });
  }
  const five = [2, 3, 4, 5, 6].map((last) => `10.1.0.${last}/29`);
  assert.deepEqual(given, [...five, five[0]]);
});

test('host-local gives the addresses that args and capabilities ask for', async () => {
  const { config } = network({ ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00:1::/64' }]] });
  const wanted = {
    ...config,
    runtimeConfig: { ips: ['fd00:1::77'] },
    args: { cni: { ips: ['10.1.0.8/24'] } },
  };
  assert.equal(await addedAddress({ config: wanted, containerId: 'a' }), '10.1.0.8/24 fd00:1::77/64');
  const args = 'IgnoreUnknown=1;IP=10.1.0.9';
  assert.equal(await addedAddress({ config, containerId: 'b', args }), '10.1.0.9/24 fd00:1::78/64');
  await assert.rejects(addedAddress({ config, containerId: 'c', args }), /10\.1\.0\.9 is in use/);
  const ranged = { ...config, ipam: { ...Object(config.ipam), ranges: undefined } };
  const runtimeConfig = { ipRanges: [[{ subnet: '10.5.0.0/24' }]] };
  assert.equal(await addedAddress({ config: { ...ranged, runtimeConfig }, containerId: 'd' }), '10.5.0.2/24');
});

test('host-local refuses a second ADD, a full range, and configuration that makes no sense', async () => {
  const { config, directory } = network({ subnet: '10.1.0.0/30' });
  assert.equal(await addedAddress({ config, containerId: 'a' }), '10.1.0.2/30');
  await assert.rejects(addedAddress({ config, containerId: 'a' }), /has 10\.1\.0\.2 for eth0 already/);
  await assert.rejects(
    addedAddress({ config, containerId: 'b' }),
    /No address is left in the range 10\.1\.0\.1-/,
  );
  await assert.rejects(ours('STATUS', { config }), code(50, /No address is left/));
  assert.deepEqual(addresses(directory), ['10.1.0.2']);
  const broken = network({ subnet: '10.1.0.0/33' }).config;
  await assert.rejects(addedAddress({ config: broken, containerId: 'a' }), code(7, /ipam\.subnet/));
  const unusable = network({ subnet: '10.1.0.0/24', dataDir: '/proc/none' }).config;
  await assert.rejects(addedAddress({ config: unusable, containerId: 'a' }), code(5, /\/proc\/none/));
});

test('host-local says when its disk is full or read-only, and leaves nothing half-made', async () => {
  const disk = join(scratch, 'disk');
  mkdirSync(disk);
  // The root, the directory of the network, its lock and one more.
  mount(disk, { type: 'tmpfs', source: 'tmpfs', data: 'size=64k,nr_inodes=4' });
  try {
    const { config } = network({ subnet: '10.1.0.0/24', dataDir: disk });
    const directory = join(disk, String(config.name));
    await assert.rejects(addedAddress({ config, containerId: 'a' }), code(5, /ENOSPC/));
    assert.deepEqual(addresses(directory), []);
    mount(disk, { flags: MS.REMOUNT | MS.RDONLY });
    await assert.rejects(addedAddress({ config, containerId: 'a' }), code(5, /EROFS/));
    await assert.rejects(ours('STATUS', { config }), code(5, /EROFS/));
    mount(disk, { flags: MS.REMOUNT, data: 'nr_inodes=64' });
    assert.equal(await addedAddress({ config, containerId: 'a' }), '10.1.0.2/24');
    writeFileSync(join(directory, 'last_reserved_ip.0'), 'what is this?');
    assert.equal(await addedAddress({ config, containerId: 'b' }), '10.1.0.3/24');
  } finally {
    umount(disk);
  }
});

test('host-local gives nothing when one of several sets is full', async () => {
  const { config, directory } = network({ ranges: [[{ subnet: 'fd00::/64' }], [{ subnet: '10.1.0.0/30' }]] });
  await addedAddress({ config, containerId: 'a' });
  await assert.rejects(addedAddress({ config, containerId: 'b' }), AnsweredError);
  assert.deepEqual(addresses(directory), ['10.1.0.2', 'fd00::2']);
});

test('host-local GC keeps valid attachments only', async () => {
  const { config, directory } = network({ subnet: '10.1.0.0/24' });
  for (const containerId of ['a', 'b', 'c']) await addedAddress({ config, containerId });
  await addedAddress({ config, containerId: 'a', ifName: 'eth1' });
  writeFileSync(join(directory, '10.1.0.99'), ''); // a program was killed before it wrote
  const validAttachments = [
    { containerId: 'a', ifName: 'eth1' },
    { containerId: 'c', ifName: 'eth0' },
  ];
  await ours('GC', { config, validAttachments });
  assert.deepEqual(addresses(directory), ['10.1.0.4', '10.1.0.5']);
});

test('host-local shares a directory with Debian’s', { skip: withoutDebianPlugins }, async () => {
  const { config, directory } = network({
    ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00:1::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  });
  const given: string[] = [];
  for (const [index, by] of [ours, debian, debian, ours, ours, debian].entries())
    given.push(await addedAddress({ config, containerId: `c${index}` }, by));
  assert.deepEqual(
    given,
    [2, 3, 4, 5, 6, 7].map((last) => `10.1.0.${last}/24 fd00:1::${last}/64`),
  );
  await assert.rejects(addedAddress({ config, containerId: 'c0' }, debian), /duplicate/);
  await assert.rejects(addedAddress({ config, containerId: 'c1' }), /already/);
  for (let index = 0; index < 6; index++)
    await (index % 2 ? ours : debian)('DEL', { config, containerId: `c${index}`, netns });
  assert.deepEqual(addresses(directory), []);
});

test('host-local answers as Debian’s does', { skip: withoutDebianPlugins }, async () => {
  for (const ipam of [
    { subnet: '10.1.0.0/24' },
    { subnet: '10.1.0.0/24', rangeStart: '10.1.0.50', gateway: '10.1.0.51', routes: [{ dst: '10.0.0.0/8' }] },
    { ranges: [[{ subnet: '10.1.0.0/30' }, { subnet: '10.2.0.0/24' }], [{ subnet: 'fd00::/126' }]] },
  ]) {
    for (let index = 0; index < 2; index++) {
      const [here, there] = [network(ipam), network(ipam)];
      const call = { containerId: 'a', netns };
      const own = await ours('ADD', { ...call, config: { cniVersion: '1.0.0', ...here.config } });
      assert.deepEqual(own, await debian('ADD', { ...call, config: there.config }));
      assert.deepEqual(readdirSync(here.directory), readdirSync(there.directory));
    }
  }
});

test(
  'parallel ADDs of both implementations never give an address twice',
  { skip: withoutDebianPlugins },
  async () => {
    const { config, directory } = network({ subnet: '10.1.0.0/24' });
    const given = await Promise.all(
      Array.from({ length: 60 }, async (_, index) =>
        addedAddress({ config, containerId: `c${index}` }, index % 3 === 0 ? debian : ours),
      ),
    );
    assert.equal(new Set(given).size, 60);
    assert.equal(addresses(directory).length, 60);
  },
);

/** ADDs and DELs without end, until it is killed. */
const BUSY = `
import { plugin } from ${JSON.stringify(join(import.meta.dirname, '../../src/cni/plugins/host-local/plugin.ts'))};
const [stdin, CNI_NETNS] = process.argv.slice(1);
for (let index = 0; ; index++) {
  for (const CNI_COMMAND of index % 3 === 2 ? ['ADD'] : ['ADD', 'DEL']) {
    const environment = { CNI_COMMAND, CNI_CONTAINERID: process.pid + '-' + index, CNI_NETNS, CNI_IFNAME: 'eth0' };
    const { exitCode, stdout } = await plugin.answer({ environment, stdin });
    if (exitCode !== 0) throw new Error(stdout);
    if (index === 0) process.stdout.write('.');
  }
}`;

test('kill -9 in the middle leaves whole reservations that DEL or GC take back', async () => {
  const { config, directory } = network({ subnet: '10.0.0.0/12' });
  const stdin = JSON.stringify({ cniVersion: '1.1.0', ...config });
  for (let round = 0; round < 5; round++) {
    const children = [0, 1].map(() =>
      spawn(process.execPath, ['--input-type=module', '-e', BUSY, '--', stdin, `/proc/self/ns/net`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    for (const child of children) await new Promise((ready) => child.stdout.once('data', ready));
    await sleep(20 + round * 7);
    await Promise.all(
      children.map(async (child) => {
        const gone = new Promise((done) => child.on('exit', done));
        child.kill('SIGKILL');
        await gone;
      }),
    );
    for (const name of addresses(directory))
      assert.match(readFileSync(join(directory, name), 'utf8'), /^\d+-\d+\r\neth0$/, name);
  }
  const left = addresses(directory).length;
  assert.ok(left > 10, `only ${left} addresses were given`);
  const before = await addedAddress({ config, containerId: 'after' });
  assert.ok(before);
  await ours('GC', { config, validAttachments: [] });
  assert.deepEqual(readdirSync(directory).toSorted(), ['last_reserved_ip.0', 'lock']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerCapabilities } from './capabilities.ts';
import { countMapped, isMapped } from './host-layout.ts';
import { compileRoot, printRootPlan } from './root-plan.ts';
import { startLine } from './start-line.ts';

test('compileRoot builds a root of the host’s programs and nothing else of it', () => {
  const plan = compileRoot(
    {
      directory: '/run/c',
      host: {
        entries: [
          { name: 'usr', mask: '/run/usr-mask' },
          { name: 'bin', linkTo: 'usr/bin' },
        ],
        varDirectories: ['lib/x'],
        devices: ['null'],
      },
      readOnly: true,
      shm: '/run/shm',
      volumes: [{ source: '/run/v', target: '/data', readOnly: true, isFile: false }],
      workingDirectory: '/work',
    },
    '.old',
  );
  const text = printRootPlan(plan);
  const mounts = text.split('\n').filter((line) => /^(?:mount|overlay|read-only|pivot)/.test(line));
  assert.deepEqual(mounts, [
    'mount bind /run/c/root on /run/c/root',
    'overlay /run/c/root/usr of /run/usr-mask:/usr ro',
    'mount tmpfs dev on /run/c/root/dev',
    'mount bind /dev/null on /run/c/root/dev/null',
    'mount devpts devpts on /run/c/root/dev/pts',
    'mount bind /run/shm on /run/c/root/dev/shm',
    'mount mqueue mqueue on /run/c/root/dev/mqueue',
    'mount bind /proc on /run/c/root/proc',
    'mount sysfs sysfs on /run/c/root/sys',
    'pivot /run/c/root',
    'mount bind /.old/run/v on /data',
    'read-only /data and below',
    'read-only /',
  ]);
  assert.match(text, /symlink \/run\/c\/root\/bin -> usr\/bin/);
});

test('containerCapabilities gives the default set, more when asked, and never the dangerous ones', () => {
  const of = (securityContext: object): ReturnType<typeof containerCapabilities> =>
    containerCapabilities({ name: 'c', securityContext });
  assert.equal(of({}).granted.length, 14);
  assert.deepEqual(
    of({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'cap_net_raw', 'SYS_ADMIN', 'NONSENSE'] } }),
    { granted: ['NET_ADMIN', 'NET_RAW'], refused: ['SYS_ADMIN', 'NONSENSE (unknown)'] },
  );
  assert.ok(!of({ privileged: true }).granted.includes('SYS_ADMIN'));
});

test('startLine keeps the command apart from everything before it', () => {
  const words = startLine({
    command: ['--help', '$(x)'],
    capabilities: ['CHOWN'],
    noNewPrivileges: true,
    user: 1000,
    canSetGroups: true,
    controllingTerminal: true,
    mountTable: true,
  });
  assert.deepEqual(words.slice(0, 2), ['setsid', '--ctty']);
  assert.deepEqual(words.slice(words.indexOf('setpriv')), [
    'setpriv',
    '--bounding-set',
    '-all,+chown',
    '--inh-caps',
    '-all',
    '--ambient-caps',
    '-all',
    '--no-new-privs',
    '--reuid',
    '1000',
    '--regid',
    '0',
    '--clear-groups',
    '--',
    '--help',
    '$(x)',
  ]);
});

test('countMapped adds up the lines of uid_map', () => {
  assert.equal(countMapped('         0       1000          1\n'), 1);
  assert.equal(countMapped('0 1000 1\n1 100000 65535\n'), 65_536);
  assert.equal(countMapped(''), 0);
});

test('isMapped reads uid_map', () => {
  assert.ok(isMapped(0, '         0       1000          1\n'));
  assert.ok(!isMapped(1, '         0       1000          1\n'));
  assert.ok(isMapped(70_000, '0 1000 1\n1 100000 65535\n70000 5 1\n'));
});

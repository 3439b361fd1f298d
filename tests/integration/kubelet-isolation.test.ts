import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { mount } from '../../src/kernel/ffi.ts';
import { createNetns } from '../../src/kernel/netns.ts';
import {
  createContainerSpace,
  startIsolated,
  type ContainerSettings,
} from '../../src/lab/workloads/isolate/isolated-container.ts';
import { createIsolation, type Isolation } from '../../src/lab/workloads/isolate/isolation.ts';
import { createPodNamespaces } from '../../src/lab/workloads/isolate/pod-namespaces.ts';
import type { Execution, Workload } from '../../src/lab/workloads/workload.ts';

const directory = '/run/podnet-test';
let isolation: Isolation;
let serial = 0;

before(() => {
  mount('/run', { source: 'tmpfs', type: 'tmpfs' });
  isolation = createIsolation(`${directory}/isolation`);
});
after(() => rmSync(directory, { recursive: true, force: true }));

interface Running {
  readonly workload: Workload;
  readonly text: () => string;
  readonly directory: string;
}

function start(
  command: readonly string[],
  options: Partial<ContainerSettings & { stdin: boolean; tty: boolean }> = {},
): Running {
  const netns = createNetns();
  const path = `${directory}/c${serial++}`;
  mkdirSync(path);
  const pod = createPodNamespaces(netns, 'pod-one', path);
  const { stdin = false, tty = false, ...settings } = options;
  const space = createContainerSpace(isolation, pod, {
    directory: path,
    environment: {},
    workingDirectory: '/',
    volumes: [],
    readOnlyRoot: false,
    privileged: false,
    capabilities: ['CHOWN', 'KILL', 'NET_RAW', 'SETUID', 'SETGID', 'DAC_OVERRIDE', 'FOWNER'],
    noNewPrivileges: false,
    ...settings,
  });
  let text = '';
  const workload = startIsolated(space, {
    command,
    stdin,
    stdinOnce: false,
    tty,
    output: { write: (_, data) => void (text += String(data)) },
  });
  void workload.exited.finally(() => {
    pod.close();
    netns.close();
  });
  return { workload, text: () => text, directory: path };
}

async function run(script: string, options?: Partial<ContainerSettings>): Promise<string> {
  const { workload, text } = start(['sh', '-c', script], options);
  const status = await workload.exited;
  return `${text()}${status.exitCode === 0 ? '' : `exit ${status.exitCode}`}`;
}

async function collect({ stdout, stderr, exited }: Execution): Promise<{ text: string; exitCode: number }> {
  let text = '';
  for (const stream of [stdout, stderr]) stream?.on('data', (data: Buffer) => void (text += data.toString()));
  const { exitCode } = await exited;
  return { text, exitCode };
}

test('startIsolated gives a container its own process tree, host name and network', async () => {
  const text = await run('echo $$; hostname; set -- /proc/[0-9]*; echo $#; ls /sys/class/net');
  assert.equal(text, '1\npod-one\n1\nlo\n');
});

test('startIsolated hides the lab and the homes of the host', async () => {
  assert.equal(
    await run('ls -A /run /root /home /tmp /mnt 2>&1 | grep -v : | tr -d "\\n"; ls -A / | tr "\\n" " "'),
    'lockbin dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var ',
  );
});

test('startIsolated lets a container write everywhere but to the host', async () => {
  const text = await run(
    'for d in /usr/bin /etc /tmp /var/lib /root /dev/shm; do echo hi > $d/podnet-was-here && cat $d/podnet-was-here; done',
  );
  assert.equal(text, 'hi\n'.repeat(6));
  assert.ok(!readdirSync('/etc').includes('podnet-was-here'));
});

test('startIsolated keeps what concerns the machine read-only', async () => {
  assert.match(await run('echo 1 > /proc/sys/kernel/printk'), /Read-only file system/);
  assert.match(await run('mount -t tmpfs none /mnt 2>&1'), /exit 32|must be superuser|permission denied/);
  assert.match(await run('cat /etc/shadow | wc -c'), /^0\n/);
});

test('startIsolated leaves out what a container was not granted', async () => {
  const status = await run('grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status', {
    capabilities: ['NET_RAW'],
    noNewPrivileges: true,
  });
  assert.equal(status, 'CapEff:\t0000000000002000\nCapBnd:\t0000000000002000\nNoNewPrivs:\t1\n');
});

test('startIsolated passes arguments untouched and only the environment it was given', async () => {
  const { workload, text } = start(['printf', '%s|', '$(id)', '; true', '"'], { environment: {} });
  await workload.exited;
  assert.equal(text(), '$(id)|; true|"|');
  assert.equal(
    await run('env | cut -d= -f1 | sort | tr "\\n" " "', { environment: { A: '1' } }),
    'A HOME HOSTNAME PATH PWD TAR_OPTIONS ',
  );
});

test('startIsolated names the package of a program that is missing', () => {
  assert.throws(() => start(['tshark', '-i', 'eth0']), {
    code: 'program-missing',
    message: /"tshark": executable file not found/,
    fix: /apt-get install tshark/,
  });
  assert.throws(() => start(['/no/such']), { message: /no such file or directory/ });
});

test('startIsolated reports exit codes and signals', async () => {
  assert.deepEqual(await start(['sh', '-c', 'exit 7']).workload.exited, {
    exitCode: 7,
    signal: 0,
    reason: 'Error',
  });
  const { workload } = start(['sleep', '100']);
  workload.kill('SIGKILL');
  assert.deepEqual(await workload.exited, { exitCode: 137, signal: 9, reason: 'Error' });
});

test('startIsolated makes a read-only root with writable volumes', async () => {
  const source = `${directory}/volume`;
  mkdirSync(source, { recursive: true });
  const volumes = [
    { source, target: '/data/deep', readOnly: false, isFile: false },
    { source, target: '/fixed', readOnly: true, isFile: false },
  ];
  const text = await run(
    'echo a > /data/deep/x && cat /fixed/x; echo b > /fixed/x; echo c > /etc/x; echo d > /x; touch /usr/x',
    { readOnlyRoot: true, volumes },
  );
  assert.equal(text.match(/Read-only file system/g)?.length, 4, text);
  assert.match(text, /^a\n/);
});

test('exec joins the namespaces of a running container', async () => {
  const { workload } = start(['sh', '-c', 'echo mark > /tmp/mark; exec sleep 100']);
  const { text, exitCode } = await collect(
    workload.exec({
      command: [
        'sh',
        '-c',
        'while ! cat /tmp/mark 2>/dev/null; do :; done; hostname; ps -o comm= 1 2>/dev/null || cat /proc/1/comm; exit 3',
      ],
      stdin: false,
      tty: false,
    }),
  );
  assert.deepEqual({ text, exitCode }, { text: 'mark\npod-one\nsleep\n', exitCode: 3 });
  workload.kill('SIGKILL');
  await workload.exited;
});

test('exec passes standard input and its end', async () => {
  const { workload } = start(['sleep', '100']);
  const execution = workload.exec({ command: ['cat'], stdin: true, tty: false });
  const done = collect(execution);
  execution.stdin?.write('one\n');
  execution.stdin?.end('two\n');
  assert.deepEqual(await done, { text: 'one\ntwo\n', exitCode: 0 });
  workload.kill('SIGKILL');
  await workload.exited;
});

test('exec gives a terminal of the size asked for', async () => {
  const { workload } = start(['sleep', '100']);
  const execution = workload.exec({
    command: ['sh', '-c', 'tty; read line; stty size; echo "got $line" > /dev/tty'],
    stdin: true,
    tty: true,
  });
  const done = collect(execution);
  execution.resize(120, 40);
  execution.stdin?.write('hello\r');
  const { text, exitCode } = await done;
  assert.equal(exitCode, 0, text);
  assert.match(text, /\/dev\/pts\/0\r\n/);
  assert.match(text, /40 120\r\ngot hello\r\n/);
  workload.kill('SIGKILL');
  await workload.exited;
});

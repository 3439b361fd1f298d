import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { pods, services } from '../../src/cluster/resources.ts';
import {
  CHANNEL,
  channelHeader,
  ChannelReader,
  STREAM_PROTOCOL,
} from '../../src/lab/apiserver/streams/channels.ts';
import type { Status } from '../../src/model/objects.ts';
import { isReady, startKubeletLab, type KubeletLab } from './kubelet-lab.ts';

let lab: KubeletLab;
before(async () => {
  lab = await startKubeletLab();
  await lab.client.create(services, {
    metadata: { namespace: 'default', name: 'kubernetes' },
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] },
  });
  await lab.run('stand-in', {
    containers: [{ name: 'web', image: 'web:1', ports: [{ containerPort: 80 }] }],
  });
  await lab.run('program', {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'c',
        image: 'busybox',
        stdin: true,
        command: ['sh', '-c', 'echo up; while read line; do echo "got $line"; done; exit 4'],
      },
    ],
  });
  await lab.until('stand-in', isReady);
  await lab.until('program', isReady);
});
after(() => lab.stop());

interface Session {
  readonly socket: Duplex;
  send(channel: number, payload: string | Buffer): void;
  readonly text: (channel: number) => string;
  readonly closed: Promise<unknown>;
  status(): Status;
}

async function open(path: string): Promise<Session> {
  const request = http.request({
    socketPath: lab.kubelet.socketPath,
    path,
    method: 'POST',
    headers: { Connection: 'Upgrade', Upgrade: STREAM_PROTOCOL },
  });
  request.end();
  const [event, response, socket, head] = await Promise.race([
    once(request, 'upgrade').then(
      (values) => ['upgrade', ...(values as [http.IncomingMessage, Duplex, Buffer])] as const,
    ),
    once(request, 'response').then(([value]) => ['response', value as http.IncomingMessage] as const),
  ]);
  if (event === 'response') {
    let body = '';
    for await (const chunk of response) body += String(chunk);
    throw new Error(`${response.statusCode}: ${(JSON.parse(body) as Status).message}`);
  }
  const texts = new Map<number, string>();
  const reader = new ChannelReader();
  const take = (chunk: Buffer): void => {
    for (const { channel, payload } of reader.read(chunk))
      texts.set(channel, (texts.get(channel) ?? '') + payload.toString());
  };
  take(head);
  socket.on('data', take);
  return {
    socket,
    send: (channel, payload) => {
      const bytes = Buffer.from(payload);
      socket.write(Buffer.concat([channelHeader(channel, bytes.length), bytes]));
    },
    text: (channel) => texts.get(channel) ?? '',
    closed: once(socket, 'end'),
    status: () => JSON.parse(texts.get(CHANNEL.status) ?? '{}') as Status,
  };
}

const exec = (target: string, command: readonly string[], flags = 'stdout=1&stderr=1'): Promise<Session> =>
  open(
    `/exec/shop/${target}?${command.map((word) => `command=${encodeURIComponent(word)}`).join('&')}&${flags}`,
  );

test('exec in a stand-in sees the pod: its address, host name, resolver and ports', async () => {
  const pod = await lab.pod('stand-in');
  const session = await exec('stand-in/web', [
    'sh',
    '-c',
    'ip -4 -o addr show eth0 | grep -o "inet [0-9.]*"; hostname; grep nameserver /etc/resolv.conf; wget -qO- http://localhost:80/ | head -1; echo oops >&2; exit 5',
  ]);
  await session.closed;
  assert.equal(
    session.text(CHANNEL.stdout),
    `inet ${pod?.status?.podIP}\nstand-in\nnameserver 10.96.0.10\npod: shop/stand-in\n`,
  );
  assert.equal(session.text(CHANNEL.stderr), 'oops\n');
  assert.equal(session.status().reason, 'NonZeroExitCode');
  assert.deepEqual(session.status().details?.causes, [{ reason: 'ExitCode', message: '5' }]);
});

test('exec in a stand-in keeps files from one to the next', async () => {
  await (
    await exec('stand-in/web', ['touch', '/tmp/kept'])
  ).closed;
  const session = await exec('stand-in/web', ['ls', '/tmp']);
  await session.closed;
  assert.equal(session.text(CHANNEL.stdout), 'kept\n');
  assert.equal(session.status().status, 'Success');
});

test('exec has the variables of Services in a stand-in as beside a program', async () => {
  for (const target of ['stand-in/web', 'program/c']) {
    const session = await exec(target, [
      'sh',
      '-c',
      'echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT',
    ]);
    await session.closed;
    assert.equal(session.text(CHANNEL.stdout), '10.96.0.1:443\n', target);
  }
});

test('exec of tar unpacks files of users that the lab has not, as kubectl cp does', async (t) => {
  if (!isGnuTar()) return t.skip('GNU tar is not installed');
  const pack = 'echo hello > f; tar --owner=1000 --group=1000 -cf a.tar f; rm f';
  const session = await exec('program/c', ['sh', '-c', `cd /tmp; ${pack}; tar -xmf - < a.tar && cat f`]);
  await session.closed;
  assert.equal(session.text(CHANNEL.stderr), '');
  assert.equal(session.text(CHANNEL.stdout), 'hello\n');
  assert.equal(session.status().status, 'Success');
});

function isGnuTar(): boolean {
  return /GNU tar/.test(spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout);
}

test('exec carries standard input to its end', async () => {
  const session = await exec('program/c', ['wc', '-c'], 'stdin=1&stdout=1&stderr=1');
  session.send(CHANNEL.stdin, Buffer.alloc(300_000, 'x'));
  session.send(CHANNEL.close, Buffer.from([CHANNEL.stdin]));
  await session.closed;
  assert.equal(session.text(CHANNEL.stdout).trim(), '300000');
});

test('exec gives a terminal and follows its size', async () => {
  const session = await exec('program/c', ['sh'], 'stdin=1&stdout=1&tty=1');
  session.send(CHANNEL.resize, '{"Width":101,"Height":33}');
  session.send(CHANNEL.stdin, 'stty size; exit 9\r');
  await session.closed;
  assert.match(session.text(CHANNEL.stdout), /33 101\r\n/);
  assert.deepEqual(session.status().details?.causes, [{ reason: 'ExitCode', message: '9' }]);
});

test('exec ends the program of a client that has gone', async () => {
  const session = await exec('program/c', ['sh', '-c', 'trap "" HUP; echo $$ > /tmp/pid; exec sleep 1000']);
  const pid = async (): Promise<string> => {
    const look = await exec('program/c', [
      'sh',
      '-c',
      'test -s /tmp/pid && kill -0 $(cat /tmp/pid) 2>/dev/null && echo alive',
    ]);
    await look.closed;
    return look.text(CHANNEL.stdout);
  };
  const deadlineMs = Date.now() + 8000;
  while ((await pid()) !== 'alive\n') assert.ok(Date.now() < deadlineMs);
  session.socket.destroy();
  while ((await pid()) !== '') assert.ok(Date.now() < deadlineMs);
});

test('exec notices that the client has gone while the program takes no input', async () => {
  const session = await exec('program/c', ['sh', '-c', 'echo $$; exec sleep 1000'], 'stdin=1&stdout=1');
  // More than pipe and sockets hold: the kubelet stops reading.
  session.send(CHANNEL.stdin, Buffer.alloc(4 * 1024 * 1024));
  const deadlineMs = Date.now() + 12_000;
  const until = async (is: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await is())) {
      assert.ok(Date.now() < deadlineMs, 'in time');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await until(() => session.text(CHANNEL.stdout).endsWith('\n'));
  session.socket.destroy();
  await until(async () => {
    const look = await exec('program/c', ['kill', '-0', session.text(CHANNEL.stdout).trim()]);
    await look.closed;
    return look.status().status !== 'Success';
  });
});

test('exec says what is wrong before it begins', async () => {
  await assert.rejects(
    exec('program/c', ['tshark']),
    /^Error: 500: exec: "tshark": executable file not found in \$PATH\. .*apt-get install tshark/,
  );
  await assert.rejects(exec('program/nothing', ['ls']), /^Error: 404: container "nothing" not found/);
  await assert.rejects(
    exec('nobody/c', ['ls']),
    /^Error: 404: pod "nobody" of namespace "shop" is not on this node/,
  );
});

test('portForward connects inside the pod', async () => {
  const session = await open('/portForward/shop/stand-in?port=80');
  session.send(CHANNEL.stdin, 'GET /x HTTP/1.0\r\n\r\n');
  await session.closed;
  assert.match(session.text(CHANNEL.stdout), /client: 127\.0\.0\.1 port \d+\r?\nrequest: GET \/x HTTP\/1\.0/);
  await assert.rejects(
    open('/portForward/shop/stand-in?port=81'),
    /^Error: 500: dial tcp4 127\.0\.0\.1:81: connection refused/,
  );
});

test('containerLogs follows, tails and dates', async () => {
  const { body } = await lab.get('/containerLogs/shop/program/c?timestamps=true&tailLines=1');
  assert.match(body, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z up\n$/);
  assert.deepEqual(await lab.get('/containerLogs/shop/program/none').then(({ status }) => status), 404);
});

test('attach speaks with the container itself until it ends', async () => {
  const session = await open('/attach/shop/program/c?stdin=1&stdout=1&stderr=1');
  session.send(CHANNEL.stdin, 'hello\n');
  const deadlineMs = Date.now() + 5000;
  while (session.text(CHANNEL.stdout) === '') {
    assert.ok(Date.now() < deadlineMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(session.text(CHANNEL.stdout), 'got hello\n');
  await lab.client.delete(pods, { namespace: 'shop', name: 'program' }, { gracePeriodSeconds: 1 });
  await session.closed;
  assert.equal(session.status().status, 'Success');
});

test('exec in a stand-in ends with it', async () => {
  const session = await exec('stand-in/web', ['sh', '-c', 'trap "" TERM HUP; sleep 1000']);
  await lab.client.delete(pods, { namespace: 'shop', name: 'stand-in' }, { gracePeriodSeconds: 1 });
  await session.closed;
  assert.deepEqual(session.status().details?.causes, [{ reason: 'ExitCode', message: '137' }]);
  await lab.until('stand-in', (pod) => pod === undefined);
  assert.deepEqual(readdirSync('/run/podnet/nodes/node-1/pods'), []);
});

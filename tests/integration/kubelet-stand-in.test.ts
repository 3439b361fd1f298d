import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { before, test } from 'node:test';
import { currentNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { createStandInServer } from '../../src/lab/workloads/standin/stand-in-server.ts';
import { startStandIn } from '../../src/lab/workloads/standin/stand-in.ts';
import type { StandInPort } from '../../src/lab/workloads/standin/ports.ts';
import type { Workload } from '../../src/lab/workloads/workload.ts';

const server = createStandInServer();
let nextPort = 2000;

before(() => {
  const rtnl = openRtnl({});
  rtnl.setLink('lo', { up: true });
  rtnl.close();
});

async function standIn(
  ports: readonly Partial<StandInPort>[],
): Promise<Workload & { ports: number[]; lines: string[] }> {
  const lines: string[] = [];
  const full = ports.map((port) => ({
    port: nextPort++,
    protocol: 'TCP' as const,
    waitsForClient: false,
    ...port,
  }));
  const identity = {
    namespace: 'shop',
    pod: 'web-1',
    container: 'web',
    image: 'web:1',
    node: 'node-1',
    addresses: ['10.0.0.5'],
  };
  const workload = await startStandIn({
    identity,
    netns: currentNetns(),
    ports: full,
    server,
    lingerMs: 20,
    output: { write: (_, line) => void lines.push(String(line)) },
    exec: () => assert.fail('no exec here'),
  });
  return Object.assign(workload, { ports: full.map(({ port }) => port), lines });
}

function get(
  options: http.RequestOptions,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', ...options }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      })
      .on('error', reject);
  });
}

test('startStandIn answers HTTP and says who it is and what it saw', async () => {
  const workload = await standIn([{}]);
  const [port = 0] = workload.ports;
  const { status, body } = await get({ port, path: '/cart?x=1', headers: { host: 'web.shop' } });
  assert.equal(status, 200);
  const clientPort = /client: 127\.0\.0\.1 port (\d+)/.exec(body)?.[1];
  assert.equal(
    body,
    `pod: shop/web-1\ncontainer: web (stand-in for web:1)\naddress: 10.0.0.5 port ${port}\nnode: node-1\nclient: 127.0.0.1 port ${clientPort}\nrequest: GET /cart?x=1 HTTP/1.1\nhost: web.shop\n`,
  );
  const json = await get({ port, headers: { accept: 'application/json' } });
  assert.equal((JSON.parse(json.body) as { pod: string }).pod, 'web-1');
  await get({ port, headers: { 'user-agent': 'kube-probe/1.34' } });
  assert.equal(workload.lines.length, 2);
  workload.kill('SIGKILL');
});

test('startStandIn serves gRPC health and refuses other methods', async () => {
  const workload = await standIn([{}]);
  const session = http2.connect(`http://127.0.0.1:${workload.ports[0]}`);
  const call = async (path: string): Promise<{ data: Buffer; status: unknown; message: unknown }> => {
    const stream = session.request({
      ':path': path,
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
    const chunks: Buffer[] = [];
    let [status, message]: unknown[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    for (const event of ['response', 'trailers'] as const)
      stream.on(event, (headers) => {
        status ??= headers['grpc-status'];
        message ??= headers['grpc-message'];
      });
    await once(stream, 'end');
    return { data: Buffer.concat(chunks), status, message };
  };
  assert.deepEqual(await call('/grpc.health.v1.Health/Check'), {
    data: Buffer.from([0, 0, 0, 0, 2, 8, 1]),
    status: '0',
    message: undefined,
  });
  const other = await call('/shop.Cart/Add');
  assert.equal(other.status, '12');
  assert.match(String(other.message), /shop%2Fweb-1/);
  const watch = session.request({
    ':path': '/grpc.health.v1.Health/Watch',
    ':method': 'POST',
    'content-type': 'application/grpc',
  });
  watch.resume().end();
  await once(watch, 'data');
  workload.kill('SIGTERM');
  await once(session, 'close');
  assert.deepEqual(await workload.exited, { exitCode: 0, signal: 0, reason: 'Completed' });
});

test('startStandIn greets plain TCP clients and echoes', async () => {
  const workload = await standIn([{}]);
  const client = net.connect({ host: '127.0.0.1', port: workload.ports[0] ?? 0 });
  client.write('HELLO there\n');
  let text = '';
  client.setEncoding('utf8').on('data', (data: string) => (text += data));
  client.end('more');
  await once(client, 'end');
  assert.match(
    text,
    /^podnet: pod shop\/web-1 container web .*TCP port \d+; you are 127\.0\.0\.1 port \d+\nHELLO there\nmore$/,
  );
  const silent = net.connect({ host: '127.0.0.1', port: workload.ports[0] ?? 0 });
  const [greeting] = (await once(silent, 'data')) as [Buffer];
  assert.match(greeting.toString(), /^podnet: .*\n$/);
  silent.destroy();
  workload.kill('SIGKILL');
});

test('startStandIn never speaks first on a web port', async () => {
  const workload = await standIn([{ waitsForClient: true }]);
  const client = net.connect({ host: '127.0.0.1', port: workload.ports[0] ?? 0 });
  await once(client, 'connect');
  await new Promise((resolve) => setTimeout(resolve, 300));
  client.write('GET / HTTP/1.0\r\n\r\n');
  const [first] = (await once(client, 'data')) as [Buffer];
  assert.match(first.toString(), /^HTTP\/1.1 200 OK/);
  client.destroy();
  workload.kill('SIGKILL');
});

test('startStandIn answers datagrams, but not those of other stand-ins', async () => {
  const workload = await standIn([{ protocol: 'UDP' }]);
  const client = dgram.createSocket('udp4');
  client.send('podnet: circle', workload.ports[0], '127.0.0.1');
  client.send('hi', workload.ports[0], '127.0.0.1');
  const [message] = (await once(client, 'message')) as [Buffer];
  assert.match(message.toString(), /^podnet: pod shop\/web-1 .*UDP port/);
  assert.equal(workload.lines.length, 1);
  client.close();
  workload.kill('SIGKILL');
});

test('startStandIn refuses a port that another container of the pod has', async () => {
  const first = await standIn([{ port: 1999 }]);
  await assert.rejects(standIn([{ port: 1999 }]), {
    code: 'port-taken',
    message: 'TCP port 1999 is already in use by another container of the pod',
    where: 'container web, containerPort 1999',
  });
  first.kill('SIGKILL');
});

test('kill SIGTERM finishes what is in flight and closes idle connections', async () => {
  const workload = await standIn([{}]);
  const [port = 0] = workload.ports;
  const agent = new http.Agent({ keepAlive: true });
  await get({ port, agent });
  workload.kill('SIGTERM');
  const during = await get({ port, agent });
  assert.equal(during.headers.connection, 'close');
  assert.equal((await workload.exited).exitCode, 0);
  await assert.rejects(get({ port }), /ECONNREFUSED/);
});

/** The clients that the table is asked by. Each gives data of the asked type, or why there is none. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import { reverseAddress } from './reverse.ts';
import type { Row, RowType } from './table.ts';

export interface Question {
  readonly name: string;
  readonly type: RowType;
}

/** `none` where the C library does not tell NXDOMAIN from NODATA. */
export type Told = readonly string[] | 'NXDOMAIN' | 'NODATA' | 'SERVFAIL' | 'none' | 'again' | 'failed';

/** Whether a client told what the row says, as far as it can tell. */
export function agrees(told: Told, answer: Row['answer']): boolean {
  if (told === 'none') return typeof answer === 'string';
  if (typeof told === 'string' || typeof answer === 'string') return told === answer;
  return JSON.stringify(told.toSorted()) === JSON.stringify(answer.toSorted());
}

/** Asks by dig, all questions in one run. */
export async function askDig(
  server: string,
  questions: readonly Question[],
  ...options: readonly string[]
): Promise<Told[]> {
  const arguments_ = [`@${server}`, '-f', '-', '+tries=2', '+time=5', '+nocookie', '+noidnin', '+noidnout'];
  const batch = questions.map(({ name, type }) => `${name}. ${type}\n`).join('');
  const stdout = await feed('dig', [...arguments_, ...options], batch);
  const replies = stdout.split(/^;; ->>HEADER<<- /mu).slice(1);
  return questions.map(({ type }, index) => readDig(replies[index] ?? '', type));
}

/** What a program prints that reads `input`. The server is in this very process: nothing may wait for it. */
async function feed(program: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(120_000) })) as [number];
  if (code !== 0) throw new Error(`${program} left with ${code}: ${output}`);
  return output;
}

function readDig(reply: string, type: string): Told {
  const status = /status: (\w+)/u.exec(reply)?.[1] ?? 'none';
  const answers = /;; ANSWER SECTION:\n((?:[^;\n].*\n)+)/u.exec(reply)?.[1] ?? '';
  const data = answers
    .split('\n')
    .map((line) => line.split(/\s+/u))
    .filter(([, , , of]) => of === type)
    .map((fields) => fields.slice(4).join(' ').replaceAll('"', '').replace(/\.$/u, ''));
  if (status !== 'NOERROR') return status === 'NXDOMAIN' || status === 'SERVFAIL' ? status : 'failed';
  return data.length > 0 ? data : 'NODATA';
}

/** Asks by dns-packet over UDP. */
export async function askPacket(server: string, { name, type }: Question): Promise<Told> {
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  try {
    const query = dnsPacket.encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type }] });
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
    socket.send(query, 53, server);
    const [message] = (await answered) as [Buffer];
    const { flags = 0, answers = [] } = dnsPacket.decode(message);
    const rcode = flags & 0xf;
    if (rcode === 3) return 'NXDOMAIN';
    if (rcode !== 0) return rcode === 2 ? 'SERVFAIL' : 'failed';
    const data = answers.filter((answer) => answer.type === type).map(printAnswer);
    return data.length > 0 ? data : 'NODATA';
  } finally {
    socket.close();
  }
}

function printAnswer(answer: dnsPacket.Answer): string {
  if (answer.type === 'SRV') {
    const { priority = 0, weight = 0, port, target } = answer.data;
    return `${priority} ${weight} ${port} ${target}`;
  }
  if (answer.type === 'TXT') return String(answer.data);
  return 'data' in answer && typeof answer.data === 'string' ? answer.data : '';
}

export type Library = 'glibc' | 'musl';

/** Builds the client of a C library; undefined when there is no compiler for it. */
export function buildResolver(library: Library, directory: string): string | undefined {
  const source = join(import.meta.dirname, 'resolve.c');
  const program = join(directory, `resolve-${library}`);
  const [compiler, ...options] =
    library === 'musl' ? ['musl-gcc', '-static'] : ['gcc', '-Wl,--no-as-needed', '-lresolv'];
  const { error, status, stderr } = spawnSync(compiler ?? '', ['-O1', '-o', program, source, ...options], {
    encoding: 'utf8',
  });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(`${compiler} left with ${status}: ${stderr}`);
  return program;
}

/** Asks by a C library's resolver, in a mount namespace with an `/etc/resolv.conf` of its own. */
export async function askLibrary(
  program: string,
  { resolvConf, directory }: { resolvConf: string; directory: string },
  questions: readonly Question[],
): Promise<Told[]> {
  const files = { 'resolv.conf': resolvConf, 'nsswitch.conf': 'hosts: dns\n', hosts: '' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const mounts = Object.keys(files).map(
    (name) => `[ ! -e /etc/${name} ] || mount --bind '${join(directory, name)}' /etc/${name}`,
  );
  const input = questions.map(
    ({ name, type }) => `${type} ${type === 'PTR' ? reverseAddress(name) : name}\n`,
  );
  const output = await feed(
    'unshare',
    ['--mount', 'sh', '-ec', `${mounts.join('\n')}\nexec '${program}'`],
    input.join(''),
  );
  const lines = output.trimEnd().split('\n');
  return questions.map((_, index) => readLine(lines[index] ?? ''));
}

function readLine(line: string): Told {
  const [status = '', ...values] = line.split(' ');
  if (status === 'found') return values.map((value) => value.replaceAll('/', ' '));
  if (status === 'none' || status === 'again') return status;
  return 'failed';
}

export function hasDig(): boolean {
  try {
    execFileSync('dig', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

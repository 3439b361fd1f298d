/** Executes the plugin under test, and judges the outer form of its answers. */
import { runProgram } from '../../kernel/process.ts';
import { type JsonObject, isJsonObject } from '../spec/json.ts';

/** A requirement that the plugin does not meet; its message is the reason in the report. */
export class Violation extends Error {}

export interface Outcome {
  readonly command: string;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout, when it is a JSON object. */
  readonly json: JsonObject | undefined;
}

/** How long a call may take. */
const TIMEOUT_MS = 20_000;

/** @throws Violation when it does not end in time */
export async function execute(
  executable: string,
  environment: Readonly<Record<string, string | undefined>>,
  stdin: string,
): Promise<Outcome> {
  const env: Record<string, string> = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) env[name] = value;
  const command = env['CNI_COMMAND'] ?? 'no command';
  try {
    const { status, stdout, stderr } = await runProgram(executable, [], {
      input: stdin,
      env,
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: 1 << 20,
    });
    return { command, status, stdout, stderr, json: readObject(stdout) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'program-timeout')
      throw new Violation(`${command} did not end within ${TIMEOUT_MS / 1000} s`);
    throw error;
  }
}

function readObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What an outcome was, in a line. */
export function describeOutcome({ command, status, stdout, stderr, json }: Outcome): string {
  const exit = status === null ? 'was killed by a signal' : `ended with status ${status}`;
  const said =
    typeof json?.['msg'] === 'string' ? `code ${String(json['code'])}: ${json['msg']}` : stdout || stderr;
  return `${command} ${exit}${said.trim() ? ` (${shorten(said)})` : ''}`;
}

function shorten(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 200 ? `${line.slice(0, 197)}…` : line;
}

/** @throws Violation unless the command succeeded */
export function requireSuccess(outcome: Outcome, when = ''): Outcome {
  if (outcome.status === 0) return outcome;
  throw new Violation(`${describeOutcome(outcome)}${when && `, ${when}`}`);
}

/** Success with nothing on stdout, as DEL, CHECK, GC and STATUS must have. @throws Violation */
export function requireSilentSuccess(outcome: Outcome, when = ''): void {
  requireSuccess(outcome, when);
  if (outcome.stdout.trim() !== '')
    throw new Violation(`${outcome.command} printed ${shorten(outcome.stdout)}, and it has no result`);
}

export interface ExpectedError {
  /** Any code unless told. */
  readonly codes?: readonly number[];
  /** What the message must contain. */
  readonly mentions?: string;
  /** Completes the sentence "ADD …": `with a broken configuration`. */
  readonly when: string;
}

/** A failure with an error object (section 5, "Error"); whether it bears a version is a case of its own. @throws Violation */
export function requireError(outcome: Outcome, { codes, mentions, when }: ExpectedError): void {
  const { json, status, command } = outcome;
  if (status === 0) throw new Violation(`${command} ${when} succeeded`);
  if (!json) throw new Violation(`${describeOutcome(outcome)} ${when}, without an error object on stdout`);
  const { code, msg } = json;
  if (typeof msg !== 'string' || msg === '')
    throw new Violation(`the error of ${command} ${when} has no msg`);
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1)
    throw new Violation(`the error of ${command} ${when} has no code above 0: “${shorten(msg)}”`);
  if (codes && !codes.includes(code))
    throw new Violation(`${command} ${when} gave code ${code}, not ${codes.join(' or ')}: “${shorten(msg)}”`);
  if (mentions !== undefined && !msg.includes(mentions))
    throw new Violation(`the error of ${command} ${when} does not name ${mentions}: “${shorten(msg)}”`);
}

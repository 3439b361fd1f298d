/** Plugins that say where and how a server block is served, and what it tells of itself. */
import { tryParseIp } from '../../../model/ip.ts';
import { compileExpression } from '../expression.ts';
import type { Directive } from '../parse.ts';
import type { ErrorsPlan, LogClass, LogRule, ServerPlan, ViewPlan } from '../plan.ts';
import {
  readArg,
  readArgs,
  readChoice,
  readDurationMs,
  readEndpoint,
  readOptions,
  readPattern,
  readWhole,
  readZones,
} from '../read.ts';
import { refuse } from '../tokens.ts';

export function readBind(directive: Directive): readonly string[] {
  const addresses = readArgs(directive, 1, Infinity);
  readOptions(directive, {
    except: ({ line }) => refuse(line, 'bind except is not supported', 'Name the addresses to listen on.'),
  });
  for (const address of addresses) {
    if (tryParseIp(address) === undefined)
      refuse(directive.line, `bind: "${address}" is not an address`, 'Name addresses, not interfaces.');
  }
  return addresses;
}

export function readBufsize(directive: Directive): number {
  const [size = '1232'] = readArgs(directive, 0, 1);
  return readWhole(size, directive.line, { what: 'bufsize', least: 512, most: 4096 });
}

export function readNsid(directive: Directive): string {
  return readArgs(directive, 0, Infinity).join(' ');
}

export function readCancel(directive: Directive): number {
  const [text = '5001ms'] = readArgs(directive, 0, 1);
  return readDurationMs(text, directive.line, 'cancel');
}

export function readHealth(directive: Directive): ServerPlan['health'] {
  const [text = ':8080'] = readArgs(directive, 0, 1);
  let lameduckMs = 0;
  readOptions(directive, {
    lameduck: (option) => {
      lameduckMs = readDurationMs(readArg(option), option.line, 'lameduck');
    },
  });
  return { ...readEndpoint(text, directive.line), lameduckMs };
}

export function readReady(directive: Directive): ServerPlan['ready'] {
  const [text = ':8181'] = readArgs(directive, 0, 1);
  readOptions(directive, {
    monitor: (option) => {
      readChoice(readArg(option), option.line, { what: 'monitor', choices: ['until-ready', 'continuously'] });
    },
  });
  return readEndpoint(text, directive.line);
}

export function readPrometheus(directive: Directive): ServerPlan['prometheus'] {
  const [text = 'localhost:9153'] = readArgs(directive, 0, 1);
  readOptions(directive, {});
  return readEndpoint(text, directive.line);
}

export function readErrors(directive: Directive): ErrorsPlan {
  readArgs(directive, 0);
  const consolidate: ErrorsPlan['consolidate'][number][] = [];
  readOptions(directive, {
    stacktrace: (option) => void readArgs(option, 0),
    consolidate: (option) => {
      const [every = '', pattern = ''] = readArgs(option, 2, 4);
      const everyMs = readDurationMs(every, option.line, 'consolidate');
      consolidate.push({ everyMs, pattern: readPattern(pattern, option.line) });
    },
  });
  return { consolidate };
}

/** As CoreDNS: `{common}` and `{combined}` stand for these. */
const FORMATS: Readonly<Record<string, string>> = {
  '{common}':
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}',
  '{combined}':
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration} {>opcode}',
};

export function readLog(directive: Directive, zones: ServerPlan['zones']): LogRule {
  const { args, line } = directive;
  const isFormat = (args.at(-1) ?? '').includes('{');
  const names = isFormat ? args.slice(0, -1) : args;
  const format = isFormat ? (args.at(-1) ?? '') : '{common}';
  let classes: readonly LogClass[] = ['all'];
  readOptions(directive, {
    class: (option) => {
      classes = readArgs(option, 1, Infinity).map((text) =>
        readChoice(text, option.line, { what: 'class', choices: ['success', 'denial', 'error', 'all'] }),
      );
    },
  });
  return { zones: readZones(names, line, zones), format: FORMATS[format] ?? format, classes };
}

export function readView(directive: Directive): ViewPlan {
  const name = readArg(directive);
  const expressions: string[] = [];
  readOptions(directive, {
    expr: (option) => {
      const text = readArgs(option, 1, Infinity).join(' ');
      compileExpression(text, option.line); // refused here, by its line
      expressions.push(text);
    },
  });
  if (expressions.length === 0)
    refuse(directive.line, `view ${name} has no condition`, 'Add expr EXPRESSION.');
  return { name, expressions };
}

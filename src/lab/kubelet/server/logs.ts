import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../cluster/clock.ts';
import { createLogPrinter, selectTail, type LogQuery } from '../../workloads/logs/log-query.ts';
import type { ContainerInstance } from '../container-instance.ts';
import { isTrue, RequestError } from './answers.ts';

/** `?follow=&tailLines=&previous=&timestamps=&sinceSeconds=&sinceTime=&limitBytes=` */
export function serveLogs(
  instance: ContainerInstance,
  query: URLSearchParams,
  response: ServerResponse,
  clock: Clock,
): void {
  const { record } = instance;
  const previous = isTrue(query.get('previous'));
  const log = previous ? instance.previousLog : instance.log;
  if (!log) {
    const why = previous
      ? `previous terminated container ${JSON.stringify(record.name)} not found`
      : `container ${JSON.stringify(record.name)} is waiting to start: ${record.state.name === 'waiting' ? record.state.reason : 'no log'}`;
    throw new RequestError(400, 'BadRequest', why);
  }
  const printer = createLogPrinter(logQuery(query, clock));
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.flushHeaders();
  const print = (line: string): boolean => {
    const text = printer.print(line);
    if (text === undefined) return false;
    if (text.length > 0) response.write(text);
    return true;
  };
  for (const line of selectTail(log.read(), numberOf(query.get('tailLines')))) if (!print(line)) break;
  if (!isTrue(query.get('follow')) || log.ended) return void response.end();
  const stop = log.onLine((line) => {
    // A reader that does not keep up loses its stream, not the lab its memory.
    const tooSlow = response.writableLength > MAX_BACKLOG_BYTES;
    if (line !== undefined && !tooSlow && print(line)) return;
    stop();
    response.end();
  });
  response.once('close', () => stop());
}

const MAX_BACKLOG_BYTES = 8 * 1024 * 1024;

function logQuery(query: URLSearchParams, clock: Clock): LogQuery {
  const sinceSeconds = numberOf(query.get('sinceSeconds'));
  const sinceTime = query.get('sinceTime');
  const sinceMs =
    sinceSeconds === undefined
      ? sinceTime
        ? Date.parse(sinceTime)
        : undefined
      : clock.now() - sinceSeconds * 1000;
  if (sinceMs !== undefined && Number.isNaN(sinceMs))
    throw new RequestError(400, 'BadRequest', `sinceTime is not a time: ${sinceTime}`);
  return {
    sinceMs,
    timestamps: isTrue(query.get('timestamps')),
    limitBytes: numberOf(query.get('limitBytes')),
  };
}

function numberOf(value: string | null): number | undefined {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

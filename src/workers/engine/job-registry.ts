// Maps job names to their handlers. Startup fails when a job has no handler or two.
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { JobSettings } from '../jobs.settings.js';
import { ThreadSettings } from '../threads/threads.settings.js';
import { handledBy, type JobDefinition, jobDefinitions, type JobHandler } from '../job.js';

export interface Queue {
  name: string;
  concurrency: number;
}

@Injectable()
export class JobRegistry implements OnModuleInit {
  private readonly handlers = new Map<string, JobHandler<object>>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly settings: JobSettings,
    private readonly threads: ThreadSettings,
  ) {}

  onModuleInit(): void {
    const classes = new Map<string, string>();
    for (const { instance, metatype } of this.discovery.getProviders()) {
      const job = metatype && handledBy(metatype);
      if (!job || !instance) continue;
      const other = classes.get(job.name);
      if (other !== undefined)
        throw new Error(
          `Job ${job.name} has two handlers, ${other} and ${metatype.name}: take @Handles off one of them.`,
        );
      classes.set(job.name, metatype.name);
      this.handlers.set(job.name, instance as JobHandler<object>);
    }
    for (const { name } of jobDefinitions().values()) if (!this.handlers.has(name)) throw new Error(unhandled(name));
    for (const job of jobDefinitions().values()) this.expectOneConcurrency(job);
  }

  /** Returns undefined when only another version of the application defines the type. */
  find(type: string): { job: JobDefinition; handler: JobHandler<object> } | undefined {
    const job = jobDefinitions().get(type);
    const handler = this.handlers.get(type);
    return job && handler && { job, handler };
  }

  get queues(): Queue[] {
    const queues = new Map<string, number>();
    for (const job of jobDefinitions().values())
      for (const { name, concurrency } of this.queuesOf(job)) queues.set(name, concurrency);
    return [...queues].map(([name, concurrency]) => ({ name, concurrency }));
  }

  private queuesOf({ queue: name, concurrency, longQueue }: JobDefinition): Queue[] {
    const queues = [{ name, concurrency: concurrency ?? this.settings.concurrency }, ...(longQueue ? [longQueue] : [])];
    return queues.map((queue) => ({
      name: queue.name,
      concurrency: typeof queue.concurrency === 'number' ? queue.concurrency : this.threads[queue.concurrency],
    }));
  }

  private expectOneConcurrency(job: JobDefinition): void {
    for (const queue of this.queuesOf(job))
      for (const other of jobDefinitions().values())
        if (this.queuesOf(other).some((one) => one.name === queue.name && one.concurrency !== queue.concurrency))
          throw new Error(
            `Jobs ${job.name} and ${other.name} share the queue ${queue.name}: give them the same concurrency, or queues of their own.`,
          );
  }
}

function unhandled(name: string): string {
  const className = name.replace(/(^|[.-])([a-z])/g, (_, _dot, initial: string) => initial.toUpperCase());
  return `Job ${name} has no handler. Write one, and list it in the providers of its module:
  @Handles(${className})
  export class ${className}Handler implements JobHandler<…> {
    async run(payload: …, job: JobContext): Promise<JobResult> { … }
  }`;
}

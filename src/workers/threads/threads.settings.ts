// Settings of the pools of threads.
import { defineSettings } from '../../shared/config/settings.js';
import { integer } from '../../shared/config/variables.js';

export const ThreadSettings = defineSettings('Threads', {
  render: integer('THREADS_RENDER', {
    min: 1,
    max: 64,
    default: 1,
    doc: 'Threads that render documents, per process',
  }),
  longRender: integer('THREADS_LONG_RENDER', {
    min: 1,
    max: 64,
    default: 1,
    doc: 'Threads that render documents which take long, per process: the short ones do not wait for them',
  }),
  data: integer('THREADS_DATA', {
    min: 1,
    max: 64,
    default: 2,
    doc: 'Threads that read, write and aggregate data tables, per process',
  }),
  memoryMib: integer('THREAD_MEMORY', {
    min: 32,
    default: 512,
    doc: 'Heap of one thread, MiB; a job that needs more fails, the process continues',
  }),
});
export type ThreadSettings = InstanceType<typeof ThreadSettings>;

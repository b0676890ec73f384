// A thread that asks questions, and then ends as its task demands: returns, throws, exits, or never ends.
import { once } from 'node:events';

export default async function asking({ port, times, then }) {
  const answers = [];
  for (let number = 0; number < times; number++) {
    const answered = once(port, 'message');
    port.postMessage(number);
    answers.push((await answered)[0]);
  }
  if (then === 'throw') throw new TypeError('from the thread');
  if (then === 'exit') process.exit(1);
  if (then === 'ask and exit') {
    port.postMessage(times);
    process.exit(1);
  }
  while (then === 'spin');
  return answers;
}

// The door staff's page: sends what a scanner or a person typed to the check-in door, and shows the
// answer. The token stays in this tab.
'use strict';

const TOKEN = 'seckill.token';
const SALE = 'seckill.sale';
// How a ticket's number ends; everything else is the number of a person.
const TICKET = /-[a-z][a-z0-9]{19}$/;
// Those who scan on wait for the answer before theirs.
const ANSWER_TIMEOUT_MS = 10000;
const WRONG_TOKEN = '口令不正确，请重新输入。';

const at = (id) => document.getElementById(id);
let admitted = 0;
// One check after the other, in the order in which they were scanned.
let last = Promise.resolve();

function show(element, shown) {
  element.hidden = !shown;
}

function enter(fault) {
  const token = sessionStorage.getItem(TOKEN);
  show(at('login'), !token);
  show(at('check'), token);
  show(at('logout'), token);
  at('login-fault').textContent = fault || '';
  show(at('login-fault'), fault);
  const field = token ? (at('sale').value ? 'shown' : 'sale') : 'token';
  at(field).focus();
}

function tell(mood, verdict, detail) {
  const result = at('result');
  result.className = 'result ' + mood;
  at('verdict').textContent = verdict;
  at('detail').textContent = detail;
  show(result, true);
}

function leave(fault) {
  sessionStorage.removeItem(TOKEN);
  show(at('result'), false);
  enter(fault);
}

function ask(token, asked) {
  return fetch('checkin', {
    method: 'POST',
    headers: {
      'Authorization': 'Bearer ' + token,
      'Content-Type': 'application/json',
      'Accept-Language': 'zh',
    },
    body: JSON.stringify(asked),
    // Browsers of before 2022 have none, and wait.
    signal: AbortSignal.timeout?.(ANSWER_TIMEOUT_MS),
  });
}

// The number of a ticket, whatever the caps lock made of it, or that of a person.
function named(shown) {
  const ticket = shown.toLowerCase();
  return TICKET.test(ticket) ? { ticket } : { number: shown };
}

async function check(sale, shown) {
  tell('waiting', '…', shown);
  try {
    const reply = await ask(sessionStorage.getItem(TOKEN), { sale, ...named(shown) });
    const { status } = reply;
    const said = await reply.json();
    if (status === 200) {
      admitted += 1;
      at('count').textContent = '本机已检票 ' + admitted + ' 张';
      show(at('count'), true);
      tell('good', '✓ 可以入场', ['学号 ' + said.number, ...said.units].join(' · '));
    } else if (status === 401) {
      leave(WRONG_TOKEN);
    } else if (status < 500) {
      tell('bad', '✗ 不能入场', said.detail);
    } else {
      tell('doubt', '? 请再检一次', said.detail);
    }
  } catch (error) {
    // The answer is lost, and with it whether the ticket was marked: the next check tells.
    tell('doubt', '? 请再检一次', '没有收到答复。若再检时显示刚刚使用过，就是这一次。');
  }
}

// Asks the door for nothing: it looks at the token first, then misses what is checked.
// `undefined` without an answer of its own.
async function isRight(token) {
  try {
    const { status } = await ask(token, {});
    return { 400: true, 401: false }[status];
  } catch (error) {
    return undefined;
  }
}

async function login(token) {
  // What is scanned meanwhile is no token.
  const fields = [...at('login').elements];
  fields.forEach((field) => { field.disabled = true; });
  const right = await isRight(token);
  fields.forEach((field) => { field.disabled = false; });
  if (right === undefined) {
    leave('没有收到答复，请再试一次。');
    return;
  }
  at('token').value = '';
  if (right) {
    sessionStorage.setItem(TOKEN, token);
  }
  enter(right ? '' : WRONG_TOKEN);
}

at('login').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = at('token').value.trim();
  // A header carries nothing else.
  if (/^[\x21-\x7e]+$/.test(token)) {
    login(token);
  } else {
    at('token').value = '';
    leave(WRONG_TOKEN);
  }
});

at('check').addEventListener('submit', (event) => {
  event.preventDefault();
  const sale = at('sale').value.trim();
  const shown = at('shown').value.trim();
  at('shown').value = '';
  at('shown').focus();
  if (!sale || !shown) {
    return;
  }
  sessionStorage.setItem(SALE, sale);
  last = last.then(() => check(sale, shown));
});

at('logout').addEventListener('click', () => leave());

if (!at('sale').value) {
  at('sale').value = sessionStorage.getItem(SALE) || '';
}
enter();

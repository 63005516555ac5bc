// A short message centre with telephones, on the npm package smpp. It prints a
// line of JSON for its port and for what each telephone shows, and answers each
// message with a receipt (SMPP 3.4, appendix B). A receipt goes over another
// bind of the same account than the message came by, when there is one: centres
// do that.
const smpp = require('smpp');
const tell = o => console.log(JSON.stringify(o));
const binds = new Set();
let last = 1000;

const server = smpp.createServer({}, session => {
  session.on('error', () => binds.delete(session));
  session.on('close', () => binds.delete(session));
  const bind = pdu => {
    const good = pdu.system_id === 'aldaba' && pdu.password === 'hush-hus';
    session.send(pdu.response({command_status: good ? 0 : smpp.ESME_RBINDFAIL, system_id: 'npm'}));
    if (!good) return session.close();
    binds.add(session);
    tell({event: 'bind', binds: binds.size});
  };
  session.on('bind_transceiver', bind);
  session.on('enquire_link', pdu => session.send(pdu.response()));
  session.on('unbind', pdu => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', pdu => {
    const id = (++last).toString();
    tell({event: 'text', to: pdu.destination_addr, text: (pdu.message_payload || pdu.short_message).message});
    session.send(pdu.response({message_id: id}));
    if (pdu.registered_delivery % 4 === 0) return;
    const other = [...binds].find(b => b !== session) || session;
    other.deliver_sm({
      esm_class: 4, source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611221030 done date:2611221031 stat:DELIVRD err:000 text:`,
      receipted_message_id: id, message_state: 2,
    }, answer => tell({event: 'receipt', elsewhere: other !== session, status: answer.command_status}));
  });
});
server.listen(0, '127.0.0.1', () => tell({event: 'port', port: server.address().port}));

package otp

import "strings"

// builtinPayment returns the built-in text of a language for a code that
// authorises a payment: what is paid stands before the code, so that who only
// looks for digits has passed it.
func builtinPayment(locale string) builtin {
	language, _, _ := strings.Cut(locale, "-")
	switch language {
	case "es":
		return builtin{
			subject: "{{brand}}: autoriza tu pago",
			short:   "{{brand}}: pago de {{amount}} {{currency}} a {{payee}}. Código para autorizarlo: {{code}}. Vence en {{expires_in}}. Si no es tu pago, no lo uses ni lo compartas.",
			long:    "{{brand}}: autoriza tu pago.\n\nImporte: {{amount}} {{currency}}\nA favor de: {{payee}}\n\nTu código para este pago, y para ningún otro, es:\n\n{{code}}\n\nVence en {{expires_in}}. No lo compartas con nadie. Si no es tu pago, no uses el código y avisa a {{brand}}.\n",
			spoken:  "Pago de {{amount}} {{currency}} a {{payee}}. Tu código de {{brand}} para autorizarlo es: {{code}}. Repito: {{code}}.",
		}
	case "de":
		return builtin{
			subject: "{{brand}}: Ihre Zahlung freigeben",
			short:   "{{brand}}: Zahlung von {{amount}} {{currency}} an {{payee}}. Code zur Freigabe: {{code}}. Er gilt {{expires_in}}. Ist es nicht Ihre Zahlung, verwenden Sie ihn nicht und geben ihn nicht weiter.",
			long:    "{{brand}}: Geben Sie Ihre Zahlung frei.\n\nBetrag: {{amount}} {{currency}}\nEmpfänger: {{payee}}\n\nIhr Code für diese Zahlung, und für keine andere, lautet:\n\n{{code}}\n\nEr gilt {{expires_in}}. Geben Sie ihn niemandem weiter. Ist es nicht Ihre Zahlung, verwenden Sie den Code nicht und melden Sie es {{brand}}.\n",
			spoken:  "Zahlung von {{amount}} {{currency}} an {{payee}}. Ihr Code von {{brand}} zur Freigabe lautet: {{code}}. Ich wiederhole: {{code}}.",
		}
	case "fr":
		return builtin{
			subject: "{{brand}} : autorisez votre paiement",
			short:   "{{brand}} : paiement de {{amount}} {{currency}} à {{payee}}. Code pour l'autoriser : {{code}}. Il expire dans {{expires_in}}. Si ce n'est pas votre paiement, ne l'utilisez pas et ne le communiquez pas.",
			long:    "{{brand}} : autorisez votre paiement.\n\nMontant : {{amount}} {{currency}}\nBénéficiaire : {{payee}}\n\nVotre code pour ce paiement, et pour aucun autre, est :\n\n{{code}}\n\nIl expire dans {{expires_in}}. Ne le communiquez à personne. Si ce n'est pas votre paiement, n'utilisez pas le code et prévenez {{brand}}.\n",
			spoken:  "Paiement de {{amount}} {{currency}} à {{payee}}. Votre code {{brand}} pour l'autoriser est : {{code}}. Je répète : {{code}}.",
		}
	}
	return builtin{
		subject: "{{brand}}: authorise your payment",
		short:   "{{brand}}: payment of {{amount}} {{currency}} to {{payee}}. Code to authorise it: {{code}}. It expires in {{expires_in}}. If it is not your payment, do not use or share it.",
		long:    "{{brand}}: authorise your payment.\n\nAmount: {{amount}} {{currency}}\nPayee: {{payee}}\n\nYour code for this payment, and for no other, is:\n\n{{code}}\n\nIt expires in {{expires_in}}. Do not share it with anyone. If it is not your payment, do not use the code and tell {{brand}}.\n",
		spoken:  "Payment of {{amount}} {{currency}} to {{payee}}. Your {{brand}} code to authorise it is: {{code}}. Again: {{code}}.",
	}
}

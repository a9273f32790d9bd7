"""The productions of notes and dictations; a field in braces is a production or a fact."""

from typing import Final

GRAMMAR: Final[dict[str, tuple[str, ...]]] = {
    "admission": (
        (
            "ADMISSÃO — {setor}, leito {leito}.\nID: {o_paciente}, {idade}, {sexo}.\n"
            "HDA: {queixa_admissao} Internad{a} por {motivo}.\nAP: {antecedentes}. Em "
            "uso de {uso}. "
            "{alergias}.\nEF: {estado_geral} {sinais}. {exame}\nConduta: {conduta_admissao}"
        ),
        (
            "Internação em {setor} (leito {leito}) por {motivo}. Paciente de {idade}, {sexo}, com "
            "antecedente de {antecedentes}; usa {uso}; {alergias}. {queixa_admissao} Ao exame: "
            "{estado_geral} {sinais}. {exame} Plano: {conduta_admissao}"
        ),
    ),
    "progress": (
        (
            "EVOLUÇÃO MÉDICA — {dias}, {hora}.\nS: {subjetivo}\nO: {estado_geral} "
            "{sinais}. {exame}\n"
            "A: {diagnostico}, {avaliacao_boa}\nP: {conduta_boa}"
        ),
        (
            "{dias} por {diagnostico}. {subjetivo} {estado_geral} {sinais}. {exame} Impressão: "
            "{avaliacao_boa} Conduta: {conduta_boa}"
        ),
    ),
    "progress_unwell": (
        (
            "EVOLUÇÃO MÉDICA — {dias}, {hora}.\nS: {subjetivo_ruim}\nO: {estado_ruim} {sinais}. "
            "{exame_ruim}\nA: {diagnostico}, {avaliacao_ruim}\nP: {conduta_ruim}"
        ),
        (
            "Avaliação no leito {leito} às {hora} por piora. {subjetivo_ruim} "
            "{estado_ruim} {sinais}. "
            "{exame_ruim} Impressão: {avaliacao_ruim} Conduta: {conduta_ruim}"
        ),
    ),
    "nursing": (
        (
            "ENFERMAGEM {hora}: {o_paciente} {consciencia}, {respira}. {sinais}. {acesso} {dieta} "
            "{eliminacoes} {cuidados}"
        ),
        (
            "{hora} — Leito {leito}: {consciencia}, {respira}; {sinais}. {dieta} {acesso} "
            "{cuidados} "
            "{alergias}."
        ),
    ),
    "nursing_unwell": (
        "ENFERMAGEM {hora}: {o_paciente} com piora do padrão. {sinais}. {aviso} {acesso}",
        "{hora} — Leito {leito}: {sinais}. {subjetivo_ruim} {aviso} {cuidados}",
    ),
    "outpatient": (
        (
            "CONSULTA AMBULATORIAL. Paciente de {idade}, {sexo}, em seguimento por {antecedentes}. "
            "{seguimento} Em uso de {uso}. {alergias}. {exame_ambulatorial} Conduta: {conduta_amb}"
        ),
        (
            "Retorno por {principal}. {seguimento} Medicações: {uso}. {exame_ambulatorial} "
            "{conduta_amb} {alergias}."
        ),
    ),
    "outpatient_healthy": (
        (
            "CONSULTA AMBULATORIAL. Paciente de {idade}, {sexo}. {queixa_leve} {alergias}. "
            "{exame_ambulatorial} Conduta: {conduta_leve}"
        ),
        (
            "{queixa_leve} Paciente de {idade}, sem doenças crônicas, {alergias}. "
            "{exame_ambulatorial} {conduta_leve}"
        ),
    ),
    "queixa_admissao": (
        "Quadro de início há {dias_sintoma} dias, com {sintoma} e {sintoma}.",
        "Procurou o pronto-socorro com {sintoma} há {dias_sintoma} dias.",
        "Familiar refere {sintoma} progressiva há {dias_sintoma} dias, pior nas últimas 24 horas.",
    ),
    "dias_sintoma": ("dois", "três", "quatro", "cinco", "sete"),
    "sintoma": ("fraqueza", "dor", "perda de apetite", "mal-estar", "prostração", "tontura"),
    "subjetivo": (
        "Sem queixas no momento.",
        "Refere boa noite de sono.",
        "Aceitou bem a dieta, nega dor.",
        "Queixa de dor leve, controlada com analgesia.",
        "Deambulou no corredor sem dispneia.",
        "Nega febre, náuseas ou falta de ar.",
    ),
    "subjetivo_ruim": (
        "Refere piora do mal-estar desde a última avaliação.",
        "Sonolência e confusão flutuantes.",
        "Queixa de falta de ar e palpitações.",
        "Familiar notou prostração e sudorese.",
    ),
    "estado_geral": (
        "Bom estado geral, corad{a}, hidratad{a}.",
        "Regular estado geral, eupneic{a}.",
        "Lúcid{a}, orientad{a}, afebril.",
        "Estado geral preservado.",
    ),
    "estado_ruim": (
        "Mau estado geral, taquipneic{a}.",
        "Regular para mau estado geral, sudoreic{a}.",
        "Prostrad{a}, extremidades frias.",
    ),
    "exame": (
        "MV presente, sem ruídos adventícios; bulhas rítmicas; abdome indolor.",
        "Ausculta pulmonar limpa, abdome flácido, sem edemas.",
        "Sem sinais de desconforto respiratório; panturrilhas livres; pulsos presentes.",
        "AR: MV+ bilateral. ACV: BRNF 2T sem sopros. Abdome: RHA presentes.",
    ),
    "exame_ruim": (
        "MV reduzido em base direita, uso de musculatura acessória.",
        "Enchimento capilar de 4 segundos, pulsos finos.",
        "Abdome doloroso à palpação, sem irritação peritoneal.",
    ),
    "avaliacao_boa": (
        "em melhora clínica.",
        "estável, com boa resposta ao tratamento.",
        "evolução dentro do esperado.",
        "sem sinais de complicação.",
    ),
    "avaliacao_ruim": (
        "com deterioração clínica aguda.",
        "piora hemodinâmica, a esclarecer foco.",
        "critérios de resposta rápida preenchidos.",
    ),
    "conduta_admissao": (
        "colher exames, iniciar tratamento, profilaxia de TEV e reavaliar em 6 horas.",
        "hidratação venosa, analgesia, culturas e imagem; discutir com a equipe.",
        "monitorizar, manter medicações de uso contínuo, solicitar avaliação da especialidade.",
    ),
    "conduta_boa": (
        "manter prescrição, estimular deambulação, programar alta se mantiver estabilidade.",
        "ajustar analgesia, progredir dieta, repetir exames amanhã.",
        "manter antibiótico conforme cultura; fisioterapia; reavaliar em 24 horas.",
        "desmame de oxigênio conforme saturação, manter profilaxia de TEV.",
    ),
    "conduta_ruim": (
        "acionado time de resposta rápida; gasometria, lactato, expansão volêmica.",
        "oxigênio suplementar, dois acessos calibrosos, culturas, discutir vaga em UTI.",
        "coletar hemograma e lactato, iniciar protocolo, comunicar família.",
    ),
    "consciencia": ("consciente e orientad{a}", "acordad{a}, comunicativ{a}", "calm{a}, lúcid{a}"),
    "respira": (
        "respirando em ar ambiente",
        "eupneic{a} em ar ambiente",
        "sem esforço respiratório",
    ),
    "acesso": (
        "Acesso venoso periférico em MSE pérvio.",
        "AVP salinizado, sem flogose.",
        "Acesso trocado hoje, sem intercorrências.",
    ),
    "dieta": ("Aceitou 75 % da dieta.", "Boa aceitação alimentar.", "Dieta branda, aceita bem."),
    "eliminacoes": (
        "Diurese presente, clara.",
        "Eliminações fisiológicas presentes.",
        "Diurese 1.200 mL em 24 horas.",
    ),
    "cuidados": (
        "Realizada mudança de decúbito.",
        "Grades elevadas, pulseira conferida.",
        "Orientad{a} sobre risco de queda.",
        "Curativo limpo e seco.",
        "Medicações administradas conforme prescrição.",
    ),
    "aviso": (
        "Comunicado ao médico plantonista.",
        "Acionado time de resposta rápida.",
        "Instalado oxigênio, médico ciente.",
    ),
    "seguimento": (
        "Refere boa adesão ao tratamento.",
        "Esquece doses com frequência.",
        "Sintomas controlados desde a última consulta.",
        "Sem intercorrências no período.",
        "Relata piora discreta no último mês.",
    ),
    "exame_ambulatorial": (
        "Exame físico sem alterações relevantes.",
        "PA aferida e dentro da meta.",
        "Peso estável; ausculta sem alterações.",
        "Exames laboratoriais revisados, sem urgências.",
    ),
    "conduta_amb": (
        "manter medicações e retornar em 3 meses com exames.",
        "ajustada a dose, orientada adesão; retorno em 30 dias.",
        "reforçadas orientações de dieta e atividade física; retorno em 6 meses.",
        "solicitados exames de controle, encaminhamento à especialidade.",
    ),
    "queixa_leve": (
        "Consulta de rotina, sem queixas.",
        "Quadro gripal há {dias_sintoma} dias.",
        "Cefaleia ocasional, sem sinais de alarme.",
        "Dor lombar após esforço.",
        "Atualização de vacinas e orientações.",
    ),
    "conduta_leve": (
        "orientações gerais, retorno se necessário.",
        "sintomáticos e hidratação.",
        "solicitados exames de rotina.",
        "atestado de dois dias e sintomáticos.",
    ),
    "dictation": (
        (
            "{saudacao} {o_paciente} de {idade}, em {setor}, leito {leito}, internad{a} por "
            "{diagnostico}. {subjetivo} {sinais_falados}. {exame_falado} Conduta: {conduta_boa}"
        ),
        (
            "Nota de evolução. {subjetivo} {sinais_falados}. Impressão: {diagnostico}, "
            "{avaliacao_boa} Conduta: {conduta_boa}"
        ),
    ),
    "dictation_unwell": (
        (
            "Atenção. {o_paciente} do leito {leito} com piora. {subjetivo_ruim} {sinais_falados}. "
            "{avaliacao_ruim} Conduta: {conduta_ruim}"
        ),
    ),
    "subjetivo_infantil": (
        "Mãe refere boa noite de sono e boa aceitação da dieta.",
        "Brincou no leito, sem febre.",
        "Acompanhante nega vômitos; diurese presente nas fraldas.",
    ),
    "subjetivo_ruim_infantil": (
        "Mãe refere recusa alimentar e gemência.",
        "Acompanhante notou prostração e palidez.",
    ),
    "queixa_admissao_infantil": (
        "Mãe refere febre e recusa alimentar há {dias_sintoma} dias.",
        "Trazid{a} pela família com tosse e irritabilidade há {dias_sintoma} dias.",
    ),
    "queixa_leve_infantil": (
        "Puericultura, sem queixas.",
        "Coriza e tosse há {dias_sintoma} dias, sem febre.",
        "Atualização de vacinas e orientações à família.",
    ),
    "consciencia_infantil": ("ativ{a} e reativ{a}", "acordad{a}, no colo da mãe"),
    "conduta_boa_infantil": (
        "manter hidratação oral, antitérmico se febre, reavaliar em 24 horas.",
        "manter prescrição, lavagem nasal, programar alta se mantiver estabilidade.",
    ),
    "saudacao": ("Evolução.", "Ditando evolução.", "Nota clínica."),
    "exame_falado": (
        "Ausculta pulmonar limpa, abdome flácido, sem edemas.",
        "Exame físico sem alterações.",
    ),
}
